"""Ten thousand records, of which every reader reads the same, or which are in quarantine."""

import pytest

from support.readings import compare_readings

RECORDS = 10_000


@pytest.mark.full_suite(reason="generating the records takes half a minute")
def test_records_are_read_alike_or_quarantined(spark):
    assert RECORDS // 5 < compare_readings(spark, RECORDS) < RECORDS * 4 // 5
