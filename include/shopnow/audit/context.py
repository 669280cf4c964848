"""What the checks compare, and how they say that two sides differ."""

from collections.abc import Callable
from typing import NamedTuple

import pandas as pd
import pyarrow as pa
from deltalake import DeltaTable

from shopnow.audit import records, totals
from shopnow.audit.kpi_oracle import KpiSettings
from shopnow.broker import topics
from shopnow.broker.client import Conf
from shopnow.broker.topics import TopicState
from shopnow.events import TOPICS
from shopnow.kpis import KPIS
from shopnow.lake.delta.tables import Table
from shopnow.lake.ingest import data_loss
from shopnow.lake.ingest.data_loss import Loss
from shopnow.lake.lineage import lineage
from shopnow.settings import Settings
from shopnow.traffic import ledger

Report = Callable[[str, str], None]


class Difference(Exception):
    """Two sides of a check that should be equal are not; its text names the first difference."""


LEDGER = [
    *("topic", "topic_id", "partition", "offset", "key", "payload_hash"),
    *("event_id", "event_type", "event_time", "product_id", "quantity", "amount_cents", "fault"),
]
"""The columns of the ledger that the checks look at."""


class Evidence(NamedTuple):
    """Everything that is compared, at a cut that all sides have reached; a table that does not exist yet is left out."""

    conf: Conf
    lake: str
    kpis: dict[str, DeltaTable]
    events: dict[str, DeltaTable]
    raw: dict[str, DeltaTable]
    losses: list[Loss]
    """What was acknowledged as lost."""
    ledger: pa.Table
    """`LEDGER` of every row."""
    topics: dict[str, TopicState]
    assumed: KpiSettings
    report: Report
    """Told how far it is, as (subject, what)."""


def gather(conf: Conf, lake: str, report: Report) -> Evidence:
    """Pins the tables from the last to the first, then the ledger, then Kafka, so that each holds all the ones before stand for.

    Raises:
        UserError: Kafka or the lake does not answer, or a setting is not of its kind.
    """
    settings = Settings.load()

    def present(names: list[str]) -> dict[str, DeltaTable]:
        return {name: Table(lake, name).open() for name in names if Table(lake, name).exists()}

    kpis = present([kpi.name for kpi in KPIS])
    events = present([f"events/{name}" for name in TOPICS])
    raw = present([f"raw/{name}" for name in TOPICS])
    acknowledged = data_loss.read(lake)
    truth = ledger.read(conf, columns=LEDGER)
    assumed = KpiSettings(settings.service_level, settings.lead_time_days)
    return Evidence(
        conf, lake, kpis, events, raw, acknowledged, truth, topics.describe(conf, TOPICS), assumed, report
    )


def at_latest_equivalent_version(table: Table, version: int) -> DeltaTable:
    """The table with the rows of that version, in files that VACUUM has not taken."""
    return table.open(lineage.latest_equivalent_version(table, version, table.version()))


def raw_behind(lake: str, events: DeltaTable, name: str) -> DeltaTable | None:
    """The raw table at the version this events table was made from; None if it has none yet."""
    source = name.replace("events/", "raw/")
    version = lineage.sources(Table(lake, name), events.version()).get(source)
    return None if version is None else at_latest_equivalent_version(Table(lake, source), version)


def first_place(rows: pa.Table) -> str:
    """The first of these records by place, in words."""
    first = rows.sort_by([(column, "ascending") for column in records.PLACE]).slice(0, 1).to_pylist()[0]
    return f"partition {first['partition']} offset {first['offset']}"


def same_records(left: pa.Table, right: pa.Table, left_name: str, right_name: str, topic: str) -> None:
    """Raises Difference if the two sets of records are not equal."""
    if found := records.difference(left, right, left_name, right_name):
        raise Difference(f"{topic}: {found}")


def same_figures(left: pd.DataFrame, right: pd.DataFrame, left_name: str, right_name: str) -> None:
    """Raises Difference if the two do not say the same."""
    if found := totals.difference(left, right, left_name, right_name):
        raise Difference(found)
