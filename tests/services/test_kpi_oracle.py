"""Every KPI of a shop with late, repeated and refunded events agrees with the oracle."""

from random import Random

import pytest

from factories import raw_tables, shop_events
from shopnow.events import Event, PaymentRefunded
from shopnow.traffic.run_config import Faults
from support.lake_oracle import compare

FAULTS = Faults(late=0.1, duplicate=0.05, out_of_order=0.1, schema_v1=0.3, clock_skew_seconds=60)


@pytest.fixture(scope="module")
def sent() -> list[Event]:
    """The events that a shop sends in four weeks, in order, some of them late and some repeated."""
    sent = shop_events.events(shop_events.make_run(sessions=250, seed=11, days=28, faults=FAULTS))
    assert len({event.event_id for event in sent}) < len(sent)
    assert any(isinstance(event, PaymentRefunded) for event in sent)
    return sent


def test_every_kpi_agrees_with_the_oracle_in_any_order_of_arrival(local_lake, refresh_with_each, sent):
    # Arrival at once and in order is tested by benchmarks/kpi_oracle.py, as each case takes a minute.
    for part in shop_events.split(shop_events.shuffle(sent, Random(2)), 2, Random(1)):
        raw_tables.land(local_lake, part)
        refresh_with_each(local_lake)
    diffs = compare(local_lake, {event.event_id: event for event in sent}.values()).values()
    assert [diff.first for diff in diffs if diff.first] == []
    assert all(diff.rows for diff in diffs)
