"""Every KPI worked out from the events alone, in SQL: from the words of `shopnow.kpis`, sharing no code with the Spark jobs.

A query in `kpi_sql/` gives the columns of a KPI, whole history at once. It reads its sources as `events.orders`, `kpi.stock_daily`, …
What is bound to the time a row was computed reads the variable `now` or, by date, the table `computed`.
"""

import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from statistics import NormalDist
from typing import NamedTuple

import duckdb
import pyarrow as pa

from shopnow import schemas
from shopnow.events import TOPICS
from shopnow.kpis import KPIS, Kpi

QUERIES = Path(__file__).parent / "kpi_sql"
MEMORY = "1GB"
"""Beyond this DuckDB goes on on disk."""

_ID = ("event_id", "event_type", "event_time")
COLUMNS: Mapping[str, list[str]] = {
    "events/views": ["event_time", "session_id"],
    "events/carts": ["event_type", "event_time", "session_id"],
    "events/orders": [
        *_ID,
        "order_id",
        "session_id",
        "customer_id",
        "country",
        "items",
        "discount_cents",
        "currency",
    ],
    "events/payments": [*_ID, "order_id", "method", "amount_cents", "currency", "attempt"],
    "events/deliveries": [*_ID, "delivery_id", "order_id", "promised_at"],
    "events/stock": [
        *_ID,
        "source_offset",
        "product_id",
        "product_name",
        "quantity_change",
        "quantity_after",
    ],
    **{kpi.name: kpi.content for kpi in KPIS},
}
"""What the queries read of each source."""


class KpiSettings(NamedTuple):
    """What KPIs depend on besides events: the settings SHOPNOW_SERVICE_LEVEL and SHOPNOW_LEAD_TIME_DAYS."""

    service_level: float
    lead_time_days: float


class Oracle:
    """A database of sources, each as it stood at one or several versions, in which KPIs are worked out."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, assumed: KpiSettings) -> None:
        self.connection = connection
        self.execute("SET TimeZone = 'UTC'; CREATE SCHEMA events; CREATE SCHEMA kpi")
        self._set("lead_time_days", float(assumed.lead_time_days))
        self._set("z", NormalDist().inv_cdf(assumed.service_level))
        self.execute("CREATE TABLE computed (date DATE, computed_at TIMESTAMP)")
        for source in COLUMNS:
            self.put(source, _schema(source).empty_table())
        self.execute((QUERIES / "basics.sql").read_text())

    def put(self, source: str, rows: pa.Table | pa.RecordBatchReader, version: int | None = None) -> None:
        """Takes in the rows of a source, with at least its `COLUMNS`; the queries read them until others are taken in or put to use."""
        self.store(_stored(source, version), rows, COLUMNS[source])
        self.use(source, version)

    def has(self, source: str, version: int) -> bool:
        return bool(
            self.execute("FROM duckdb_tables() WHERE table_name = ?", [_stored(source, version)]).fetchall()
        )

    def use(self, source: str, version: int | None = None) -> None:
        """The queries read that version from now on; without one what was put without one, which at first is nothing."""
        self.execute(
            f'CREATE OR REPLACE VIEW {source.replace("/", ".")} AS FROM "{_stored(source, version)}"'
        )

    def store(self, name: str, rows: pa.Table | pa.RecordBatchReader, columns: Iterable[str]) -> None:
        """Keeps these columns as a table; times are in UTC, without saying so."""
        kinds = {
            field.name: "::TIMESTAMP" if pa.types.is_timestamp(field.type) else "" for field in rows.schema
        }
        chosen = ", ".join(f'"{column}"{kinds[column]} AS "{column}"' for column in columns)
        self.connection.register("arriving", rows)
        self.execute(f'CREATE OR REPLACE TABLE "{name}" AS SELECT {chosen} FROM arriving')  # noqa: S608
        self.connection.unregister("arriving")

    def as_computed(self, kpi: Kpi, found: str) -> datetime:
        """Takes over from a table with `computed_at` when the rows of each date were computed; gives when the latest were."""
        self.execute("DELETE FROM computed")
        if kpi.partition_by:
            self.execute(f'INSERT INTO computed SELECT date, max(computed_at) FROM "{found}" GROUP BY date')  # noqa: S608
        ((latest,),) = self.execute(f'SELECT max(computed_at) FROM "{found}"').fetchall()  # noqa: S608
        return latest.replace(tzinfo=UTC) if latest else datetime.now(UTC)

    def work_out(self, kpi: Kpi, now: datetime) -> str:
        """Works out a KPI from the sources in use, as if computed `now`; gives the name of the table with its content columns."""
        self._set("now", now)
        name = f"{kpi.name} by the events"
        self.store(name, _schema(kpi.name).empty_table(), kpi.content)
        columns = ", ".join(f'"{column}"' for column in kpi.content)
        # Into columns of the kinds they are defined with: what does not fit is an error.
        query = (QUERIES / f"{kpi.name[4:]}.sql").read_text()
        self.execute(f'INSERT INTO "{name}" BY NAME SELECT {columns} FROM ({query})')  # noqa: S608
        return name

    def rows(self, kpi: Kpi, name: str) -> pa.Table:
        """A table of the KPI's content in here, in Arrow."""
        return (
            self.connection.sql(f'FROM "{name}"').to_arrow_table().select(kpi.content).cast(_schema(kpi.name))
        )

    def execute(self, sql: str, parameters: object = None) -> duckdb.DuckDBPyConnection:
        return self.connection.execute(sql, parameters)

    def _set(self, variable: str, value: float | datetime) -> None:
        kind = "TIMESTAMPTZ" if isinstance(value, datetime) else "DOUBLE"
        self.execute(f"SET VARIABLE {variable} = ?::{kind}::{kind.removesuffix('TZ')}", [value])


@contextmanager
def oracle(assumed: KpiSettings) -> Iterator[Oracle]:
    """An oracle without any events yet."""
    with (
        tempfile.TemporaryDirectory(prefix="shopnow-oracle-") as folder,
        duckdb.connect(config={"memory_limit": MEMORY, "temp_directory": folder}) as connection,
    ):
        yield Oracle(connection, assumed)


def work_out(
    events: Mapping[str, pa.Table | pa.RecordBatchReader],
    now: datetime,
    assumed: KpiSettings,
    kpis: Iterable[Kpi] = KPIS,
) -> dict[str, pa.Table]:
    """The content of KPI tables, by name, as events by topic make it if it is computed `now`; each after those it is made from."""
    found = {}
    with oracle(assumed) as here:
        for topic, rows in events.items():
            here.put(f"events/{topic}", rows)
        for kpi in kpis:
            found[kpi.name] = here.rows(kpi, here.work_out(kpi, now))
            here.put(kpi.name, found[kpi.name])
    return found


def _stored(source: str, version: int | None) -> str:
    return source if version is None else f"{source}@{version}"


def _schema(source: str) -> pa.Schema:
    folder, _, name = source.partition("/")
    schema = (
        schemas.events(TOPICS[name])
        if folder == "events"
        else next(kpi.schema for kpi in KPIS if kpi.name == source)
    )
    return pa.schema([schema.field(column) for column in COLUMNS[source]])
