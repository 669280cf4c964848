"""An oracle that computes every KPI in SQL from its definition, sharing no code with the Spark jobs.

A query in `kpi_sql/` returns the columns of a KPI for the whole history. It reads its sources as
`events.orders`, `kpi.stock_daily`, … Columns that depend on the time of computation read the variable `now`
or, by date, the table `computed`.
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
"""Memory limit of DuckDB; it spills to disk beyond."""

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
    **{kpi.name: kpi.value_columns for kpi in KPIS},
}
"""Columns that the queries read, by source."""


class KpiSettings(NamedTuple):
    """Settings that KPIs depend on: SHOPNOW_SERVICE_LEVEL and SHOPNOW_LEAD_TIME_DAYS."""

    service_level: float
    lead_time_days: float


class Oracle:
    """A database that holds sources at one or several versions, and computes KPIs from them."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, settings: KpiSettings) -> None:
        self.connection = connection
        self.execute("SET TimeZone = 'UTC'; CREATE SCHEMA events; CREATE SCHEMA kpi")
        self._set("lead_time_days", float(settings.lead_time_days))
        self._set("z", NormalDist().inv_cdf(settings.service_level))
        self.execute("CREATE TABLE computed (date DATE, computed_at TIMESTAMP)")
        for source in COLUMNS:
            self.load(source, _schema(source).empty_table())
        self.execute((QUERIES / "basics.sql").read_text())

    def load(self, source: str, rows: pa.Table | pa.RecordBatchReader, version: int | None = None) -> None:
        """Load rows of a source, with at least its `COLUMNS`, and make queries read them."""
        self.store(_stored(source, version), rows, COLUMNS[source])
        self.select_version(source, version)

    def has(self, source: str, version: int) -> bool:
        return bool(
            self.execute("FROM duckdb_tables() WHERE table_name = ?", [_stored(source, version)]).fetchall()
        )

    def select_version(self, source: str, version: int | None = None) -> None:
        """Make queries read this version of a source; None is the one loaded without a version."""
        self.execute(
            f'CREATE OR REPLACE VIEW {source.replace("/", ".")} AS FROM "{_stored(source, version)}"'
        )

    def store(self, name: str, rows: pa.Table | pa.RecordBatchReader, columns: Iterable[str]) -> None:
        """Store these columns as a table; timestamps become UTC without a time zone."""
        casts = {
            field.name: "::TIMESTAMP" if pa.types.is_timestamp(field.type) else "" for field in rows.schema
        }
        selected = ", ".join(f'"{column}"{casts[column]} AS "{column}"' for column in columns)
        self.connection.register("arriving", rows)
        self.execute(f'CREATE OR REPLACE TABLE "{name}" AS SELECT {selected} FROM arriving')  # noqa: S608
        self.connection.unregister("arriving")

    def load_computed_times(self, kpi: Kpi, table: str) -> datetime:
        """Load `computed_at` of each date from a table; return the latest."""
        self.execute("DELETE FROM computed")
        if kpi.partition_by:
            self.execute(f'INSERT INTO computed SELECT date, max(computed_at) FROM "{table}" GROUP BY date')  # noqa: S608
        ((latest,),) = self.execute(f'SELECT max(computed_at) FROM "{table}"').fetchall()  # noqa: S608
        return latest.replace(tzinfo=UTC) if latest else datetime.now(UTC)

    def compute(self, kpi: Kpi, now: datetime) -> str:
        """Compute a KPI from the selected sources as of `now`; return the name of the table that holds it."""
        self._set("now", now)
        name = f"{kpi.name} by the events"
        self.store(name, _schema(kpi.name).empty_table(), kpi.value_columns)
        columns = ", ".join(f'"{column}"' for column in kpi.value_columns)
        # The table has the types of the definition, so a value that does not fit is an error.
        query = (QUERIES / f"{kpi.name[4:]}.sql").read_text()
        self.execute(f'INSERT INTO "{name}" BY NAME SELECT {columns} FROM ({query})')  # noqa: S608
        return name

    def rows(self, kpi: Kpi, name: str) -> pa.Table:
        """Return a stored table with the KPI's content columns, in Arrow."""
        return (
            self.connection.sql(f'FROM "{name}"')
            .to_arrow_table()
            .select(kpi.value_columns)
            .cast(_schema(kpi.name))
        )

    def execute(self, sql: str, parameters: object = None) -> duckdb.DuckDBPyConnection:
        return self.connection.execute(sql, parameters)

    def _set(self, variable: str, value: float | datetime) -> None:
        kind = "TIMESTAMPTZ" if isinstance(value, datetime) else "DOUBLE"
        self.execute(f"SET VARIABLE {variable} = ?::{kind}::{kind.removesuffix('TZ')}", [value])


@contextmanager
def oracle(settings: KpiSettings) -> Iterator[Oracle]:
    """Create an oracle without events; its files are removed on exit."""
    with (
        tempfile.TemporaryDirectory(prefix="shopnow-oracle-") as folder,
        duckdb.connect(config={"memory_limit": MEMORY, "temp_directory": folder}) as connection,
    ):
        yield Oracle(connection, settings)


def compute_kpis(
    events: Mapping[str, pa.Table | pa.RecordBatchReader],
    now: datetime,
    settings: KpiSettings,
    kpis: Iterable[Kpi] = KPIS,
) -> dict[str, pa.Table]:
    """Compute KPIs from events by topic as of `now`; return their content by table name."""
    contents = {}
    with oracle(settings) as database:
        for topic, rows in events.items():
            database.load(f"events/{topic}", rows)
        for kpi in kpis:
            contents[kpi.name] = database.rows(kpi, database.compute(kpi, now))
            database.load(kpi.name, contents[kpi.name])
    return contents


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
