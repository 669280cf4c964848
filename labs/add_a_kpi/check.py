"""The column late of kpi/deliveries is defined and computed by both engines, each from the definition."""

import os
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
from labs.requirement import Requirement
from pysail.spark import SparkConnectServer

from shopnow import schemas
from shopnow.audit import kpi_oracle
from shopnow.audit.kpi_oracle import KpiSettings
from shopnow.events import TOPICS, Delivery, DeliveryCreated, DeliveryDelivered, Event
from shopnow.examples import example
from shopnow.kpis import DELIVERIES
from shopnow.settings import Settings
from shopnow_spark import connect
from shopnow_spark.kpis import fulfilment

COLUMN = "late"
NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def requirements() -> Iterator[Requirement]:
    yield Requirement(
        f"kpi/deliveries defines the column {COLUMN}",
        COLUMN in DELIVERIES.value_columns,
        "add it to DELIVERIES in include/shopnow/kpis/fulfilment.py",
    )
    metadata = DELIVERIES.schema.field(COLUMN).metadata or {}
    yield Requirement(
        "the column is a number of deliveries with a definition",
        DELIVERIES.schema.field(COLUMN).type == pa.int64() and b"deliveries" in metadata.values(),
        "define it by total(name, definition, unit), as its neighbour on_time",
    )
    rows = event_rows()
    yield from counts("SQL", "include/shopnow/audit/kpi_sql/deliveries.sql", by_sql(rows))
    yield from counts("Spark code", "spark_apps/shopnow_spark/kpis/fulfilment.py", by_sail(rows))


def counts(what: str, file: str, late: dict[str, int]) -> Iterator[Requirement]:
    """Yield the requirement that one late delivery of November 2 is counted, and none of November 3."""
    yield Requirement(
        f"the {what} counts deliveries after the promised time, each once",
        late == {"2026-11-02": 1, "2026-11-03": 0},
        f"it counts {late}, expected 1 and 0: correct {file}",
    )


def event_rows() -> pa.Table:
    """Return events of a delivery that is late and reported twice, and of two that are on time."""
    events = [
        _event(DeliveryCreated, "late", NOON - HOUR),
        _event(DeliveryDelivered, "late", NOON + HOUR),
        _event(DeliveryDelivered, "late", NOON + 2 * HOUR),
        _event(DeliveryDelivered, "on time", NOON),
        _event(DeliveryDelivered, "the day after", NOON + 24 * HOUR, promised_at=NOON + 25 * HOUR),
    ]
    rows = [
        msgspec.to_builtins(event, builtin_types=(datetime,))
        | {"event_id": f"{number:036}", "event_date": event.event_time.date(), "source_offset": number}
        for number, event in enumerate(events)
    ]
    return pa.Table.from_pylist(rows, schemas.events(TOPICS["deliveries"]))


def by_sql(rows: pa.Table) -> dict[str, int]:
    settings = KpiSettings(service_level=0.95, lead_time_days=2)
    tables = kpi_oracle.compute_kpis({"deliveries": rows}, NOON + 48 * HOUR, settings, [DELIVERIES])
    return {str(row["date"]): row[COLUMN] for row in tables[DELIVERIES.name].to_pylist()}


def by_sail(rows: pa.Table) -> dict[str, int]:
    """Compute the KPI with the Spark code, on the engine Sail, which starts in a second."""
    os.environ["RUST_LOG"] = "error"
    server = SparkConnectServer("127.0.0.1", 0)
    server.start(background=True)
    ip, port = server.listening_address
    try:
        with (
            tempfile.NamedTemporaryFile(suffix=".parquet") as file,
            connect.session(f"sc://{ip}:{port}", Settings()) as sail,
            connect.column_functions(),
        ):
            pq.write_table(rows, file.name)
            events = sail.read.schema(schemas.spark_ddl(rows.schema)).parquet(f"file://{file.name}")
            result = fulfilment.deliveries(events)
            if COLUMN not in result.columns:
                return {}
            return {str(row["date"]): row[COLUMN] for row in result.select("date", COLUMN).collect()}
    finally:
        server.stop()


def _event(type_: type[Delivery], delivery_id: str, at: datetime, promised_at: datetime = NOON) -> Event:
    return msgspec.structs.replace(
        example(type_), delivery_id=delivery_id, event_time=at, promised_at=promised_at
    )
