"""Each KPI table says what the events it was made from say."""

import pyarrow as pa

from shopnow.audit import figures
from shopnow.audit.comparing import Evidence, same_figures, settled
from shopnow.kpis import KPIS, STOCK_POSITION
from shopnow.lake import lineage, tables


def check(evidence: Evidence) -> str:
    for kpi in KPIS:
        if kpi.name not in evidence.kpis:
            continue
        table = evidence.kpis[kpi.name]
        made_from = lineage.sources(evidence.lake, kpi.name, table.version())
        events = [
            tables.read(settled(evidence.lake, source, made_from[source]))
            for source in (f"events/{topic}" for topic in kpi.topics)
            if source in made_from
        ]
        if len(events) < len(kpi.topics):
            continue
        rows = tables.read(table)
        if kpi is STOCK_POSITION:
            same_figures(figures.stock_of_events(*events), rows.to_pandas().set_index("product_id")[["quantity"]], "events", kpi.name)
        else:
            payments = events[1] if len(events) > 1 else _no_payments()
            sales = figures.sales_of_events(events[0], payments)
            columns = ["units", "gmv_cents"] if len(events) == 1 else figures.SALES
            same_figures(sales[columns], figures.by_date(rows), "events", kpi.name)
    return f"{len(evidence.kpis)} tables, the same to the cent" if evidence.kpis else "no KPIs yet"


def _no_payments() -> pa.Table:
    return pa.schema([("event_date", pa.date32()), ("event_type", pa.string()), ("amount_cents", pa.int64())]).empty_table()
