"""Each KPI table says, row by row, what the rows it was made from say.

Those of a KPI made from other KPIs are checked against the rows of these at the versions it was made from.
"""

from deltalake import DeltaTable

from shopnow.audit.context import Difference, Evidence, at_latest_equivalent_version
from shopnow.audit.kpi_diff import differences
from shopnow.audit.kpi_oracle import COLUMNS, Oracle, oracle
from shopnow.kpis import KPIS, STOCK_COVER, Kpi
from shopnow.lake.delta import tables
from shopnow.lake.delta.tables import Table
from shopnow.lake.lineage import lineage


def check(evidence: Evidence) -> str:
    tables_, rows = 0, 0
    with oracle(evidence.assumed) as here:
        for kpi in KPIS:
            table = evidence.kpis.get(kpi.name)
            made_from = lineage.sources(Table(evidence.lake, kpi.name), table.version()) if table else {}
            if table is None or not any(source.table in made_from for source in kpi.sources):
                continue
            evidence.report("verify", f"events = KPIs: {kpi.name}")
            _take_in(here, evidence.lake, kpi, made_from)
            rows += _check(here, kpi, table, evidence)
            tables_ += 1
    return f"{tables_} tables, {rows:,} rows, the same to the cent" if tables_ else "no KPIs yet"


def _take_in(here: Oracle, lake: str, kpi: Kpi, made_from: dict[str, int]) -> None:
    """Has the oracle read what the KPI was made from."""
    for source in (source.table for source in kpi.sources):
        version = made_from.get(source)
        if version is None or here.has(source, version):
            here.use(source, version)
        else:
            here.put(
                source,
                tables.reader(at_latest_equivalent_version(Table(lake, source), version), COLUMNS[source]),
                version,
            )


def _check(here: Oracle, kpi: Kpi, table: DeltaTable, evidence: Evidence) -> int:
    """How many rows are the same."""
    columns = [*kpi.content, "computed_at"]
    if lacking := set(columns).difference(field.name for field in table.schema().fields):
        raise Difference(
            f"{kpi.name} has no column {min(lacking)}: have the KPIs computed with this version of ShopNow+"
        )
    found = f"{kpi.name} in the lake"
    here.store(found, tables.reader(table, columns), columns)
    told = differences(here, kpi, here.work_out(kpi, here.as_computed(kpi, found)), found)
    if told.first is None:
        return told.rows
    others = f" ({told.different:,} such rows)" if told.different > 1 else ""
    level, days = evidence.assumed
    settings = f"; if SHOPNOW_SERVICE_LEVEL={level:g} and SHOPNOW_LEAD_TIME_DAYS={days:g} are what it was computed with"
    raise Difference(told.first + others + (settings if kpi is STOCK_COVER else ""))
