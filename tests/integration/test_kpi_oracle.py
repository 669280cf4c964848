"""Every KPI, of a shop with late, repeated and refunded events, agrees with the oracle, however the events came."""

from random import Random

import pytest

import raw_sample as sample
import simulated
from derived import content
from kpi_oracle import assert_kpis_true, compare
from shopnow import kpis
from shopnow.events import Event, PaymentRefunded
from shopnow.traffic.params import Faults
from shopnow_spark import jobs

TROUBLE = Faults(late=0.1, duplicate=0.05, out_of_order=0.1, schema_v1=0.3, clock_skew_seconds=60)


@pytest.fixture(scope="module")
def sent() -> list[Event]:
    """What a shop sends in four weeks, in the order it was sent, some of it late and some of it twice."""
    sent = simulated.events(simulated.a_run(sessions=400, seed=11, days=28, faults=TROUBLE))
    assert len({event.event_id for event in sent}) < len(sent)
    assert any(isinstance(event, PaymentRefunded) for event in sent)
    return sent


@pytest.fixture
def refresh(spark):
    return lambda lake: jobs.refresh(lake, lambda: spark)


def test_every_kpi_agrees_with_the_oracle_however_the_events_came(lake, refresh, sent):
    parts, shuffled = f"{lake}/parts", f"{lake}/shuffled"
    for part in simulated.in_parts(sent, 3, Random(1)):
        sample.land(parts, part)
        refresh(parts)
    sample.land(shuffled, simulated.shuffled(sent, Random(2)))
    refresh(shuffled)

    happened = {event.event_id: event for event in sent}.values()
    assert_kpis_true(parts, happened)
    assert_kpis_true(shuffled, happened)
    assert all(found.rows for found in compare(parts, happened).values())
    for kpi in kpis.KPIS:
        places = ["last_offset"] if kpi is kpis.STOCK_POSITION else []
        assert content(parts, kpi.name).drop_columns(places) == content(shuffled, kpi.name).drop_columns(places)
