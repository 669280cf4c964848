"""Format events and table rows as cells for people."""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from shopnow import validation
from shopnow.broker.tail import Record
from shopnow.dates import from_milliseconds
from shopnow.events import TOPICS
from shopnow.framing import unframe
from shopnow.schemas import PAYLOADS
from shopnow.text_format import excerpt

COLUMNS: dict[str, tuple[str, ...]] = {
    "views": ("session_id", "customer_id", "product_id", "category", "unit_price_cents"),
    "carts": ("session_id", "customer_id", "product_id", "quantity", "unit_price_cents"),
    "orders": ("order_id", "customer_name", "country", "items", "total_cents", "coupon", "reason"),
    "payments": ("order_id", "payment_id", "method", "amount_cents", "attempt", "reason"),
    "deliveries": ("order_id", "delivery_id", "progress", "promised_at", "address"),
    "stock": ("product_id", "product_name", "quantity_change", "quantity_after", "order_id", "reason"),
}
"""Fields of a service's events that are printed, in order; JSON output has all."""

_FIRST = (
    *(
        "date",
        "hour",
        "cohort",
        "started_at",
        "currency",
        "rank",
        "rank_change",
        "product_id",
        "product_name",
        "category",
        "country",
    ),
    *(
        "method",
        "figure",
        "net_revenue_cents",
        "gmv_cents",
        "orders",
        "units",
        "average_order_cents",
        "ended_at",
        "lost_cents",
    ),
    *(
        "quantity",
        "below_reorder_point",
        "reorder_point",
        "days_of_cover",
        "anomaly",
        "value",
        "expected",
        "score",
    ),
)
"""The most important columns of KPI tables, in order."""

_EXCERPT = 200


def headings(service: str) -> list[str]:
    return ["time", "event", *map(heading, COLUMNS[service]), "partition/offset"]


def event_cells(service: str, event: Mapping[str, Any], place: str) -> list[str]:
    """Return the cells of a valid event."""
    cells = [cell(name, event.get(name), event.get("currency")) for name in COLUMNS[service]]
    return [_time(event["event_time"]), str(event["event_type"]), *cells, place]


def decode(service: str, record: Record) -> tuple[dict[str, Any], str | None]:
    """Decode a record of a service's topic: its fields, or no fields and the reason it is invalid."""
    event, _, problem = validation.check_record(
        TOPICS[service].decoder().decode, record.value, record.headers, record.timestamp
    )
    if event is None:
        return {}, problem
    return {"event_type": event.__struct_config__.tag, **msgspec.structs.asdict(event)}, None


def record_cells(service: str, record: Record) -> list[str]:
    """Return the cells of a record of a service's topic, valid or not."""
    event, problem = decode(service, record)
    if problem:
        return _problem_cells(service, record, problem)
    return event_cells(service, event, _position(record))


def raw_cells(service: str, row: Mapping[str, Any]) -> list[str]:
    """Return the cells of a row of `raw/{service}`, with its correction if it has one."""
    value = next((row[name] for name in PAYLOADS if row.get(name) is not None), None)
    # A record without a timestamp has -1 in Kafka and null in raw.
    milliseconds = round(row["timestamp"].timestamp() * 1000) if row["timestamp"] else -1
    record = Record(milliseconds, row["partition"], row["offset"], value)
    # The stored problem was found by landing or a replay; validating again could give another result.
    if row["problem"]:
        return _problem_cells(service, record, row["problem"])
    # A replay is valid against its own time, not that of the record.
    return record_cells(service, record._replace(timestamp=-1))


def record_as_json(service: str, record: Record) -> dict[str, Any]:
    """Return a record of a service's topic in the form of the JSON output."""
    _, problem = decode(service, record)
    value = record.value or b""
    if problem is None:
        value = unframe(value, record.headers)
    return {
        "partition": record.partition,
        "offset": record.offset,
        "timestamp": _arrival(record).isoformat(timespec="milliseconds"),
        "event": value.decode(errors="backslashreplace") if problem else _parse(value),
        "problem": problem,
    }


def _parse(value: bytes) -> Any:
    """Return a valid record's JSON; its text if unknown fields are nested deeper than this parser goes."""
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value.decode(errors="backslashreplace")


def arrival_order(service: str) -> Callable[[Record], tuple[int, datetime, int]]:
    """Return the sort key of a service's records: arrival, and within one second the event time.

    The generator sends a batch of events in one second.
    """

    def key(record: Record) -> tuple[int, datetime, int]:
        event, _ = decode(service, record)
        return record.timestamp // 1000, event.get("event_time", _arrival(record)), record.offset

    return key


def by_importance(columns: Sequence[str]) -> list[str]:
    """Sort the columns of a KPI table: the most important first, the others in their order."""
    return [
        *(column for column in _FIRST if column in columns),
        *(column for column in columns if column not in _FIRST),
    ]


def heading(column: str) -> str:
    return column.removesuffix("_cents").removesuffix("_id").replace("_", " ")


def cell(column: str, value: Any, currency: str | None) -> str:
    """Format a value for people; `currency` is the currency of amounts in cents."""
    match value:
        case None:
            return ""
        case bytes():
            return excerpt(value, _EXCERPT)
        case datetime():
            return _time(value)
        case bool():
            return "yes" if value else "no"
        case int() if column.endswith("_cents"):
            return f"{value / 100:,.2f} {currency or ''}".rstrip()
        case int() if column == "quantity_change":
            return f"{value:+,}"
        case int():
            return f"{value:,}"
        case float() if column == "progress":
            return f"{value:.0%}"
        case list() if column == "items":
            return ", ".join(map(_item, value))
        case list():
            return ", ".join(map(str, value))
    return str(value)


def _problem_cells(service: str, record: Record, problem: str) -> list[str]:
    empty = [""] * len(COLUMNS[service])
    return [_time(_arrival(record)), f"({problem})", *empty, _position(record)]


def _position(record: Record) -> str:
    return f"{record.partition}/{record.offset}"


def _arrival(record: Record) -> datetime:
    return from_milliseconds(record.timestamp)


def _item(item: Any) -> str:
    line = item if isinstance(item, dict) else msgspec.structs.asdict(item)
    return f"{line['quantity']} × {line['product_name']}"


def _time(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
