"""The check on a lake whose KPIs are right, and on one where a figure of one of them is not."""

from datetime import UTC, datetime
from random import Random

import pyarrow as pa
import pytest
from deltalake import CommitProperties, write_deltalake

from factories import random_events
from shopnow.audit import events_kpis
from shopnow.audit.context import Difference, Evidence
from shopnow.audit.kpi_oracle import KpiSettings, compute_kpis
from shopnow.kpis import KPIS
from shopnow.lake.delta import tables
from shopnow.lake.delta.tables import Table
from shopnow.lake.lineage import lineage
from support.lake_oracle import events_tables, kpi_settings

NOW = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def lake(tmp_path_factory) -> str:
    """Events, and the KPIs that the oracle makes of them."""
    lake = str(tmp_path_factory.mktemp("lake"))
    events = events_tables(random_events.events(Random(1), 600))
    for topic, rows in events.items():
        write_deltalake(Table(lake, f"events/{topic}").uri, rows)
    for name, rows in compute_kpis(events, NOW, kpi_settings()).items():
        [kpi] = (kpi for kpi in KPIS if kpi.name == name)
        rows = rows.append_column(
            "computed_at", pa.repeat(pa.scalar(NOW, kpi.schema.field("computed_at").type), rows.num_rows)
        )
        made_from = CommitProperties(
            custom_metadata={"userMetadata": lineage.describe({source.table: 0 for source in kpi.sources})}
        )
        write_deltalake(Table(lake, name).uri, rows, commit_properties=made_from)
    return lake


def evidence(lake: str, *names: str, settings: KpiSettings | None = None) -> Evidence:
    kpis = {name: Table(lake, name).open() for name in names}
    return Evidence(
        {}, lake, kpis, {}, {}, [], pa.table({}), {}, settings or kpi_settings(), lambda subject, what: None
    )


def test_all_tables_hold(lake):
    assert events_kpis.check(evidence(lake, *(kpi.name for kpi in KPIS))).startswith(f"{len(KPIS)} tables, ")
    assert events_kpis.check(evidence(lake)) == "no KPIs yet"


@pytest.mark.parametrize("kpi", KPIS, ids=lambda kpi: kpi.name)
def test_a_changed_figure_of_any_kpi_is_named(kpi, lake):
    table = Table(lake, kpi.name).open()
    version = table.version()
    column = [
        name
        for name in kpi.value_columns
        if name not in kpi.key_columns and kpi.schema.field(name).type in (pa.int64(), pa.float64())
    ][-1]
    table.update({column: f"coalesce({column}, 0) + 1"})
    with pytest.raises(Difference, match=f"^{kpi.name} .*{column}: .* by the events, .* in the table"):
        events_kpis.check(evidence(lake, kpi.name))
    table.restore(version)


def test_a_changed_setting_is_named_in_the_difference(lake):
    hint = r"computed with SHOPNOW_SERVICE_LEVEL=0\.5, SHOPNOW_LEAD_TIME_DAYS=9"
    with pytest.raises(Difference, match=rf"kpi/stock_cover .*{hint}"):
        events_kpis.check(evidence(lake, "kpi/stock_cover", settings=KpiSettings(0.5, 9)))


def test_a_lost_row_and_a_lost_column_are_named(lake):
    table = Table(lake, "kpi/payments").open()
    version = table.version()
    day = min(tables.read(table, ["date"])["date"].to_pylist())
    table.delete(f"date = '{day}'")
    with pytest.raises(Difference, match=rf"kpi/payments {day} .*: a row by the events, none in the table"):
        events_kpis.check(evidence(lake, "kpi/payments"))
    table.restore(version)
    write_deltalake(
        table, tables.read(table).drop_columns(["recovered"]), mode="overwrite", schema_mode="overwrite"
    )
    with pytest.raises(Difference, match="kpi/payments has no column recovered"):
        events_kpis.check(evidence(lake, "kpi/payments"))
