"""The Spark transformations and the oracle agree on random events that no shop would send."""

from datetime import UTC, datetime
from random import Random

import pyarrow as pa
import pytest

from factories import random_events
from shopnow.audit.kpi_diff import diff
from shopnow.audit.kpi_oracle import oracle
from shopnow.kpis import KPIS, STOCK_OUTS
from shopnow_spark.kpis.stock_outs import stock_outs
from shopnow_spark.registry import BY_DATE, FULL_REFRESH, INCREMENTAL, KpiContext
from support.lake_oracle import events_tables, kpi_settings


@pytest.mark.parametrize(
    ("seed", "now"), [(1, datetime(2026, 1, 20, 12, 30, tzinfo=UTC)), (2, datetime(2027, 1, 1, tzinfo=UTC))]
)
def test_the_engines_and_the_oracle_agree_on_random_events(engine, seed, now):
    random = Random(seed)
    sources = {
        f"events/{topic}": table for topic, table in events_tables(random_events.events(random, 600)).items()
    }
    frames = {name: engine.createDataFrame(_dated(table)) for name, table in sources.items()}
    diffs = []
    with oracle(kpi_settings()) as database:
        for name, table in sources.items():
            database.load(name, table)
        for kpi in KPIS:
            inputs = [frames[source.table] for source in kpi.sources]
            if kpi is STOCK_OUTS:
                frame = stock_outs(None, None, *inputs)
            elif kpi.name in INCREMENTAL:
                frame = INCREMENTAL[kpi.name](None, *inputs)
            else:
                frame = (BY_DATE.get(kpi.name) or FULL_REFRESH[kpi.name])(
                    KpiContext(now, *kpi_settings()), *inputs
                )
            rows = frame.select(kpi.value_columns).toArrow()
            database.store("engine", rows, kpi.value_columns)
            expected = database.compute(kpi, now)
            diffs.append(diff(database, kpi, expected, "engine"))
            database.load(kpi.name, rows)
            frames[kpi.name] = engine.createDataFrame(rows)
    assert [difference.first for difference in diffs if difference.first] == []
    assert all(difference.rows for difference in diffs)


def _dated(table: pa.Table) -> pa.Table:
    index = table.schema.get_field_index("event_date")
    return table.set_column(
        index, "event_date", table["event_time"].cast(pa.timestamp("us")).cast(pa.date32())
    )
