"""What landing finds valid, Spark and the audit read as the same event; everything else is in quarantine."""

from support.readings import compare_readings

RECORDS = 1_000  # tests/faults/test_one_reading.py has ten times as many


def test_records_are_read_alike_or_quarantined(spark):
    assert RECORDS // 5 < compare_readings(spark, RECORDS) < RECORDS * 4 // 5
