"""Observations on the state of the data: how far it is processed, and whether all of it is there."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from shopnow.alerts.model import Observation
from shopnow.alerts.rows import Row, group, start_of_day
from shopnow.kpis import SALES_HOURLY

UNPROCESSED = "unprocessed"
"""Not a table: records that have landed but are in no event table yet, as computed by `collect`."""
INVALID_RECORDS = "invalid_records"
"""Not a table: invalid records of the newest landings, as computed by `invalid_records`."""

HELD_BACK = "held back"
"""Not a table: records in Kafka behind an open transaction, as read by `collect`."""

POSSIBLE_LOSS_PERIOD = timedelta(days=1)
"""How long a possible loss of records is alerted."""


def minutes_landed_unused(metric: str, rows: Sequence[Row], now: datetime) -> list[Observation]:
    observations = []
    for row in rows:
        facts = (
            f"records are waiting since {row['since']:%H:%M} UTC"
            if row["since"]
            else "no records are waiting"
        )
        observations.append(
            _topic_observation(metric, row, _minutes_since(row["since"], now), row["since"] or now, facts)
        )
    return observations


def minutes_held_back(metric: str, rows: Sequence[Row], now: datetime) -> list[Observation]:
    observations = []
    for row in rows:
        facts = (
            f"up to {row['records']:,} records wait since {row['since']:%H:%M} UTC behind an open transaction"
            if row["since"]
            else "no records are held back"
        )
        observations.append(_topic_observation(metric, row, _minutes_since(row["since"], now), now, facts))
    return observations


def _topic_observation(metric: str, row: Row, value: float, at: datetime, facts: str) -> Observation:
    return Observation(metric, row["topic"], f"topic {row['topic']}", value, at, facts)


def _minutes_since(since: datetime | None, now: datetime) -> float:
    return (now - since).total_seconds() / 60 if since else 0.0


def records_possibly_lost(metric: str, rows: Sequence[Row], now: datetime) -> list[Observation]:
    observations = []
    for topic, receipts in group(rows, "topic").items():
        recent = [row for row in receipts if row["committed_at"] > now - POSSIBLE_LOSS_PERIOD]
        lost = sum(row["possibly_lost"] or 0 for row in recent)
        facts = f"up to {lost:,} records were removed by compaction before they landed, in a day"
        observations.append(Observation(metric, topic, f"topic {topic}", lost, now, facts))
    return observations


def missing_rows(metric: str, rows: Sequence[Row], now: datetime) -> list[Observation]:
    if not rows:
        return []
    day = max(row["date"] for row in rows)
    missing = [row["missing_rows"] for row in rows if row["date"] == day]
    known = max((count for count in missing if count is not None), default=0)
    facts = (
        f"an unknown number of records of {day} is missing"
        if None in missing
        else f"up to {known:,} records of {day} are missing"
    )
    # An unknown number must fire, so it counts as at least one.
    return [
        Observation(
            metric,
            SALES_HOURLY.name,
            SALES_HOURLY.name,
            max(known, 1) if None in missing else known,
            start_of_day(day),
            facts,
        )
    ]


def broken_checks(metric: str, rows: Sequence[Row], now: datetime) -> list[Observation]:
    if not rows:
        return []
    at = max(row["audited_at"] for row in rows)
    broken = [row for row in rows if row["audited_at"] == at and not row["ok"]]
    facts = "; ".join(f"{row['check']}: {row['detail']}" for row in broken) or "every check passes"
    return [Observation(metric, "lake", "the lake", len(broken), at, facts[:400])]
