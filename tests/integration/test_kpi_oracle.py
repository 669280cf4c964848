"""Every KPI, of a shop with late, repeated and refunded events, agrees with the oracle, however the events came."""

from random import Random

import pytest

from factories import raw_tables as sample
from factories import shop_events
from shopnow.events import Event, PaymentRefunded
from shopnow.traffic.run_config import Faults
from shopnow_spark import jobs
from support.lake_oracle import assert_kpis_match_oracle, compare

TROUBLE = Faults(late=0.1, duplicate=0.05, out_of_order=0.1, schema_v1=0.3, clock_skew_seconds=60)


@pytest.fixture(scope="module")
def sent() -> list[Event]:
    """What a shop sends in four weeks, in the order it was sent, some of it late and some of it twice."""
    sent = shop_events.events(shop_events.make_run(sessions=250, seed=11, days=28, faults=TROUBLE))
    assert len({event.event_id for event in sent}) < len(sent)
    assert any(isinstance(event, PaymentRefunded) for event in sent)
    return sent


@pytest.fixture
def refresh(spark):
    return lambda lake: jobs.refresh(lake, lambda: spark)


def test_every_kpi_agrees_with_the_oracle_however_the_events_came(lake, refresh, sent):
    # What has come whole and in order is in benchmarks/kpi_oracle.py: each takes a minute.
    for part in shop_events.split(shop_events.shuffle(sent, Random(2)), 2, Random(1)):
        sample.land(lake, part)
        refresh(lake)
    happened = {event.event_id: event for event in sent}.values()
    assert_kpis_match_oracle(lake, happened)
    assert all(found.rows for found in compare(lake, happened).values())
