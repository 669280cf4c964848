"""Check every row of each KPI table against the oracle, from the same versions of its sources.

A KPI derived from other KPIs is checked against the rows of those at the versions it was derived from.
"""

from deltalake import DeltaTable

from shopnow.audit.context import Difference, Evidence, open_latest_equivalent
from shopnow.audit.kpi_diff import diff
from shopnow.audit.kpi_oracle import COLUMNS, Oracle, oracle
from shopnow.kpis import KPIS, STOCK_COVER, Kpi
from shopnow.lake.delta import tables
from shopnow.lake.delta.tables import Table
from shopnow.lake.lineage import lineage


def check(evidence: Evidence) -> str:
    tables_, rows = 0, 0
    with oracle(evidence.kpi_settings) as database:
        for kpi in KPIS:
            table = evidence.kpis.get(kpi.name)
            sources = lineage.sources(Table(evidence.lake, kpi.name), table.version()) if table else {}
            if table is None or not any(source.table in sources for source in kpi.sources):
                continue
            evidence.report("verify", f"events = KPIs: {kpi.name}")
            _load_sources(database, evidence.lake, kpi, sources)
            rows += _check(database, kpi, table, evidence)
            tables_ += 1
    return f"{tables_} tables, {rows:,} rows, the same to the cent" if tables_ else "no KPIs yet"


def _load_sources(database: Oracle, lake: str, kpi: Kpi, sources: dict[str, int]) -> None:
    """Load the versions of the KPI's sources that it was derived from."""
    for name in (source.table for source in kpi.sources):
        version = sources.get(name)
        if version is None or database.has(name, version):
            database.select_version(name, version)
        else:
            snapshot = open_latest_equivalent(Table(lake, name), version)
            database.load(name, tables.reader(snapshot, COLUMNS[name]), version)


def _check(database: Oracle, kpi: Kpi, table: DeltaTable, evidence: Evidence) -> int:
    """Return the number of rows, which are all equal.

    Raises:
        Difference: a row differs, or the table lacks a column.
    """
    columns = [*kpi.value_columns, "computed_at"]
    if missing := set(columns).difference(field.name for field in table.schema().fields):
        raise Difference(
            f"{kpi.name} has no column {min(missing)}: run compute_kpis with this version of ShopNow+"
        )
    actual = f"{kpi.name} in the lake"
    database.store(actual, tables.reader(table, columns), columns)
    expected = database.compute(kpi, database.load_computed_times(kpi, actual))
    result = diff(database, kpi, expected, actual)
    if result.first is None:
        return result.rows
    count = f" ({result.different:,} such rows)" if result.different > 1 else ""
    level, days = evidence.kpi_settings
    hint = (
        f"; check that it was computed with SHOPNOW_SERVICE_LEVEL={level:g}, SHOPNOW_LEAD_TIME_DAYS={days:g}"
    )
    raise Difference(result.first + count + (hint if kpi is STOCK_COVER else ""))
