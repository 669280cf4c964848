"""The evidence that all checks compare, and the error that names a difference."""

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

import pandas as pd
import pyarrow as pa
from deltalake import DeltaTable

from shopnow.audit import records, totals
from shopnow.audit.kpi_oracle import KpiSettings
from shopnow.broker import topic_state, topics
from shopnow.broker.client import Conf
from shopnow.broker.topic_state import TopicState
from shopnow.events import TOPICS
from shopnow.kpis import KPIS
from shopnow.lake.delta import catalog, errors
from shopnow.lake.delta.tables import Table
from shopnow.lake.ingest import data_loss
from shopnow.lake.ingest.data_loss import Loss
from shopnow.lake.lineage import lineage
from shopnow.settings import Settings
from shopnow.traffic import ledger

Report = Callable[[str, str], None]
Result = TypeVar("Result")


class Difference(Exception):
    """The two sides of a check differ; the message names the first difference."""


LEDGER = [
    *("topic", "topic_id", "partition", "offset", "key", "payload_hash"),
    *("event_id", "event_type", "event_time", "product_id", "quantity", "amount_cents", "fault"),
]
"""Columns of the ledger that the checks read."""


class Evidence(NamedTuple):
    """Snapshots of everything compared, at a consistent cut; a table that does not exist yet is left out."""

    conf: Conf
    lake: str
    kpis: dict[str, DeltaTable]
    events: dict[str, DeltaTable]
    raw: dict[str, DeltaTable]
    losses: list[Loss]
    """Acknowledged data losses."""
    ledger: pa.Table
    """All rows, with the columns `LEDGER`."""
    topics: dict[str, TopicState]
    kpi_settings: KpiSettings
    report: Report
    """Called with the progress, as (subject, status)."""
    compacted: frozenset[str] = frozenset()
    """Topics where Kafka removes records that have a newer one with the same key."""
    unreadable: Sequence[str] = ()
    """Tables that cannot be opened, as their log is damaged."""


def gather(conf: Conf, lake: str, report: Report) -> Evidence:
    """Pin the tables from the last to the first, then the ledger, then Kafka: each covers those before it.

    Raises:
        UserError: Kafka or the lake does not answer, or a setting is invalid.
    """
    settings = Settings.load()

    unreadable: list[str] = []

    def or_unreadable(name: str, read: Callable[[], Result], default: Result) -> Result:
        try:
            return read()
        except (KeyboardInterrupt, SystemExit):
            raise
        # Damaged bytes fail in any way, and the Rust libraries panic with a BaseException of their own.
        except BaseException:
            require_services(conf, lake)
            unreadable.append(name)
            return default

    def open_existing(names: list[str]) -> dict[str, DeltaTable]:
        snapshots = {name: or_unreadable(name, Table(lake, name).open_if_exists, None) for name in names}
        return {name: snapshot for name, snapshot in snapshots.items() if snapshot is not None}

    # The order of the arguments is the order of pinning.
    return Evidence(
        conf,
        lake,
        kpis=open_existing([kpi.name for kpi in KPIS]),
        events=open_existing([f"events/{name}" for name in TOPICS]),
        raw=open_existing([f"raw/{name}" for name in TOPICS]),
        losses=or_unreadable("losses", lambda: data_loss.read(lake), []),
        ledger=ledger.read(conf, columns=LEDGER),
        topics=topic_state.describe(conf, TOPICS),
        kpi_settings=KpiSettings(settings.service_level, settings.lead_time_days),
        report=report,
        compacted=topics.compacted(conf, TOPICS),
        unreadable=unreadable,
    )


def require_services(conf: Conf, lake: str) -> None:
    """Tell an outage from damage: an outage of Kafka or of the lake ends the audit.

    Raises:
        UserError: Kafka or the lake does not answer.
    """
    with errors.as_user_errors(lake):
        errors.check_reachable(lake)
        catalog.table_names(lake)
    topic_state.describe(conf, TOPICS)


def open_latest_equivalent(table: Table, version: int) -> DeltaTable:
    """Open the newest version with the same rows; VACUUM may have removed the files of `version` itself."""
    return table.open(lineage.latest_equivalent_version(table, version, table.version()))


def open_raw_source(lake: str, events: DeltaTable, name: str) -> DeltaTable | None:
    """Open the raw table at the version that the events table was derived from; None if it is still empty."""
    source = name.replace("events/", "raw/")
    version = lineage.sources(Table(lake, name), events.version()).get(source)
    return None if version is None else open_latest_equivalent(Table(lake, source), version)


def describe_first_record(rows: pa.Table) -> str:
    """Describe the first of these records by partition and offset."""
    first = rows.sort_by([(column, "ascending") for column in records.RECORD_ID]).slice(0, 1).to_pylist()[0]
    return f"partition {first['partition']} offset {first['offset']}"


def require_same_records(
    left: pa.Table, right: pa.Table, left_name: str, right_name: str, topic: str
) -> None:
    """Raise Difference if the two sets of records are not equal."""
    if difference := records.first_difference(left, right, left_name, right_name):
        raise Difference(f"{topic}: {difference}")


def require_same_totals(left: pd.DataFrame, right: pd.DataFrame, left_name: str, right_name: str) -> None:
    """Raise Difference if the two tables of totals are not equal."""
    if difference := totals.first_difference(left, right, left_name, right_name):
        raise Difference(difference)
