"""Traffic scenarios, read from `scenarios.toml` in this directory.

A scenario overrides conditions of the normal day; its incidents override conditions of the scenario for a
limited time.
"""

import tomllib
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import msgspec
from msgspec import Meta

from shopnow.errors import UserError
from shopnow.events import Method

FILE = Path(__file__).with_name("scenarios.toml")
NORMAL = "normal_day"
HOUR = 3_600_000
DAY = 24 * HOUR

Share = Annotated[float, Meta(ge=0, le=1)]
Weight = Annotated[float, Meta(ge=0, le=1000)]
Factor = Annotated[float, Meta(gt=0, le=100)]
Text = Annotated[str, Meta(min_length=1, max_length=200)]


class PaymentMethod(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A payment method: its share of the payment attempts, and the share of those that fail."""

    share: Share
    fails: Share


class Conditions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How shoppers, payments, parcels and suppliers behave."""

    arrivals: Annotated[Factor, Meta(description="arrivals of shoppers, as a multiple of a normal day")]
    hours: Annotated[
        tuple[Weight, ...],
        Meta(min_length=24, max_length=24, description="relative traffic of each hour of the day, UTC"),
    ]
    weekdays: Annotated[
        tuple[Weight, ...],
        Meta(min_length=7, max_length=7, description="relative traffic of each weekday, Monday first"),
    ]
    growth_per_week: Annotated[
        float, Meta(ge=-0.5, le=1, description="weekly growth of arrivals, as a share")
    ]
    returning: Annotated[Share, Meta(description="share of returning shoppers")]
    bots: Annotated[Share, Meta(description="share of sessions by crawlers, which only view products")]
    looks_on: Annotated[Share, Meta(description="probability of viewing another product after each view")]
    adds: Annotated[Share, Meta(description="share of viewed products that shoppers try to add to the cart")]
    removes: Annotated[Share, Meta(description="share of added items that are removed again")]
    leaves_if_sold_out: Annotated[
        Share, Meta(description="share of shoppers who leave when a product is sold out")
    ]
    orders: Annotated[Share, Meta(description="share of non-empty carts that become an order")]
    pays: Annotated[Share, Meta(description="share of orders with a payment attempt")]
    tries_again: Annotated[
        Share, Meta(description="share of failed payments that are retried, up to three attempts")
    ]
    methods: Annotated[
        dict[Method, PaymentMethod],
        Meta(description="payment methods: share of attempts, and share of those that fail"),
    ]
    discounted: Annotated[Share, Meta(description="share of orders with a discount")]
    discount_percent: Annotated[int, Meta(ge=0, le=100, description="discount of those orders, percent")]
    coupon: Annotated[Text, Meta(description="coupon code of half of the discounts")]
    on_sale: Annotated[int, Meta(ge=0, le=100, description="number of best sellers on sale")]
    on_sale_share: Annotated[Share, Meta(description="share of views that go to products on sale")]
    cancels: Annotated[Share, Meta(description="share of paid orders cancelled before shipping")]
    late_deliveries: Annotated[Share, Meta(description="share of deliveries after the promised time")]
    refunds: Annotated[Share, Meta(description="share of delivered orders refunded in part or in full")]
    lead_times: Annotated[Factor, Meta(description="supplier lead times, as a multiple of the usual ones")]
    suppliers_on_time: Annotated[
        Share, Meta(description="share of supplier deliveries on time, as a multiple of the usual one")
    ]


class Incident(NamedTuple):
    """Conditions that apply for a limited time."""

    begins: float
    """Start, as a share of the simulated period."""
    hour: int | None
    """Hour of the day, UTC, to which the start moves if the incident then fits in the period."""
    lasts_hours: float
    conditions: Conditions


class Scenario(NamedTuple):
    name: str
    title: str
    description: str
    conditions: Conditions
    incidents: list[Incident]


class Phase(NamedTuple):
    """A time span, in ms, with constant conditions."""

    start: int
    end: int
    conditions: Conditions


def phases(scenario: Scenario, start: int, end: int) -> list[Phase]:
    """Split the period from `start` to `end`, in ms, into contiguous phases."""
    incidents: list[Phase] = []
    for incident in scenario.incidents:
        begins = _start_of(incident, start, end)
        ends = min(begins + int(incident.lasts_hours * HOUR), end)
        incidents.append(Phase(begins, ends, incident.conditions))
    edges = sorted({start, end, *(edge for span in incidents for edge in span[:2])})
    contiguous = []
    for left, right in pairwise(edges):
        active = [span.conditions for span in incidents if span.start <= left < span.end]
        contiguous.append(Phase(left, right, active[-1] if active else scenario.conditions))
    return contiguous


def _start_of(incident: Incident, start: int, end: int) -> int:
    begins = start + int((end - start) * incident.begins)
    if incident.hour is None:
        return begins
    day = begins - begins % DAY + incident.hour * HOUR
    latest = end - incident.lasts_hours * HOUR
    candidates = [at for at in (day - DAY, day, day + DAY) if start <= at <= latest]
    return min(candidates, key=lambda at: abs(at - begins), default=begins)


@cache
def load(path: Path = FILE) -> dict[str, Scenario]:
    """Load the scenarios by name, in file order.

    Raises:
        UserError: the file cannot be read, is not TOML, or has an invalid scenario.
    """
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"scenarios {path}: {error.strerror}") from None
    except ValueError as error:
        raise UserError(f"scenarios {path.name} is not valid TOML: {error}") from None
    if NORMAL not in tables:
        raise UserError(
            f"scenarios {path.name}: the table [{NORMAL}] is missing, which the others build on; add it"
        )
    all_scenarios = {}
    for name, table in tables.items():
        try:
            all_scenarios[name] = _scenario(name, {**table}, tables[NORMAL])
        except (msgspec.ValidationError, ValueError) as error:
            raise UserError(f"scenarios {path.name}: {name}: {str(error).replace('`$.', '`')}") from None
    return all_scenarios


def scenario(name: str) -> Scenario:
    """Return the scenario of that name.

    Raises:
        UserError: the scenario does not exist.
    """
    all_scenarios = load()
    if name not in all_scenarios:
        raise UserError(f"unknown scenario {name!r}: give one of {', '.join(all_scenarios)}")
    return all_scenarios[name]


class _Description(msgspec.Struct, kw_only=True):
    title: Annotated[str, Meta(min_length=1, max_length=40)]
    description: Text
    incidents: list[dict[str, Any]] = []


class _Timing(msgspec.Struct, kw_only=True):
    begins: Annotated[float, Meta(ge=0, lt=1)]
    hour: Annotated[int, Meta(ge=0, le=23)] | None = None
    lasts_hours: Annotated[float, Meta(gt=0, le=10_000)]


_FIXED_FIELDS = {"hours", "weekdays", "growth_per_week"}


def _scenario(name: str, table: dict[str, Any], normal: dict[str, Any]) -> Scenario:
    description = msgspec.convert(table, _Description)
    base = _merge(_without(normal, _Description), _without(table, _Description))
    incidents = []
    for incident in description.incidents:
        timing = msgspec.convert(incident, _Timing)
        changes = _without(incident, _Timing)
        if fixed := _FIXED_FIELDS & changes.keys():
            raise ValueError(f"an incident cannot change {', '.join(sorted(fixed))}; use arrivals")
        conditions = _conditions(_merge(base, changes))
        incidents.append(Incident(timing.begins, timing.hour, timing.lasts_hours, conditions))
    return Scenario(name, description.title, description.description, _conditions(base), incidents)


def _without(table: dict[str, Any], fields: type[msgspec.Struct]) -> dict[str, Any]:
    """Return the table without the keys that are fields of a struct."""
    return {key: value for key, value in table.items() if key not in fields.__struct_fields__}


def _conditions(table: dict[str, Any]) -> Conditions:
    conditions = msgspec.convert(table, Conditions)
    for name in ("hours", "weekdays"):
        if not any(getattr(conditions, name)):
            raise ValueError(f"at least one of its {name} must be above 0")
    if not any(method.share for method in conditions.methods.values()):
        raise ValueError("at least one of its methods must have a share above 0")
    return conditions


def _merge(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Apply changes to a table, recursively for nested tables."""
    merged = {**base}
    for key, value in changes.items():
        merged[key] = (
            _merge(base[key], value) if isinstance(value, dict) and isinstance(base.get(key), dict) else value
        )
    return merged
