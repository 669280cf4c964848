"""The scenarios: what kind of traffic the shop has, read from `scenarios.toml` beside this file.

Every scenario says what it changes of the normal day, and its incidents what they change of it for a while.
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
    """A way to pay: the share of payment attempts made by it, and the share of those that fail."""

    share: Share
    fails: Share


class Conditions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How shoppers, payments, parcels and suppliers behave."""

    arrivals: Annotated[
        Factor, Meta(description="how many shoppers come, as a multiple of those of a normal day")
    ]
    hours: Annotated[
        tuple[Weight, ...],
        Meta(
            min_length=24, max_length=24, description="how busy each hour of the day is, UTC, to the others"
        ),
    ]
    weekdays: Annotated[
        tuple[Weight, ...],
        Meta(min_length=7, max_length=7, description="how busy each day is, Monday first, to the others"),
    ]
    growth_per_week: Annotated[
        float, Meta(ge=-0.5, le=1, description="how many more shoppers come each week, as a share")
    ]
    returning: Annotated[Share, Meta(description="share of shoppers who were here before")]
    bots: Annotated[Share, Meta(description="share of sessions that are crawlers, who only look")]
    looks_on: Annotated[Share, Meta(description="chance to look at another product after each")]
    adds: Annotated[Share, Meta(description="share of products looked at that are wanted in the cart")]
    removes: Annotated[Share, Meta(description="share of those that are taken out again")]
    leaves_if_sold_out: Annotated[
        Share, Meta(description="share of shoppers who leave when what they want is not there")
    ]
    orders: Annotated[Share, Meta(description="share of filled carts that become an order")]
    pays: Annotated[Share, Meta(description="share of orders for which a payment is attempted")]
    tries_again: Annotated[
        Share, Meta(description="share of failed payments that are tried again, up to three attempts")
    ]
    methods: Annotated[
        dict[Method, PaymentMethod],
        Meta(description="ways to pay: the share of attempts made by each, and of those that fail"),
    ]
    discounted: Annotated[Share, Meta(description="share of orders with a discount")]
    discount_percent: Annotated[int, Meta(ge=0, le=100, description="how much that is")]
    coupon: Annotated[Text, Meta(description="what half of the discounts are given for")]
    on_sale: Annotated[int, Meta(ge=0, le=100, description="how many of the best sellers are in a sale")]
    on_sale_share: Annotated[Share, Meta(description="share of looks that go to those")]
    cancels: Annotated[Share, Meta(description="share of paid orders called off before they are shipped")]
    late_deliveries: Annotated[Share, Meta(description="share of parcels that come after the promised date")]
    refunds: Annotated[Share, Meta(description="share of delivered orders of which some or all is paid back")]
    lead_times: Annotated[
        Factor, Meta(description="how long suppliers take, as a multiple of their usual time")
    ]
    suppliers_on_time: Annotated[
        Share, Meta(description="how reliable suppliers are, as a multiple of their usual reliability")
    ]


class Incident(NamedTuple):
    """Other conditions for a while."""

    begins: float
    """As a share of the period that is simulated."""
    hour: int | None
    """If given, it begins at the nearest time to that at which it is so late, UTC, if the period has one."""
    lasts_hours: float
    conditions: Conditions


class Scenario(NamedTuple):
    name: str
    title: str
    description: str
    conditions: Conditions
    incidents: list[Incident]


class Phase(NamedTuple):
    """A time, in ms, through which conditions stay the same."""

    start: int
    end: int
    conditions: Conditions


def phases(scenario: Scenario, start: int, end: int) -> list[Phase]:
    """The period from `start` to `end` as stretches, one after the other, without a gap."""
    spans = []
    for incident in scenario.incidents:
        begins = _begins(incident, start, end)
        spans.append(Phase(begins, min(begins + int(incident.lasts_hours * HOUR), end), incident.conditions))
    edges = sorted({start, end, *(edge for span in spans for edge in span[:2])})
    found = []
    for left, right in pairwise(edges):
        conditions = [span.conditions for span in spans if span.start <= left < span.end]
        found.append(Phase(left, right, conditions[-1] if conditions else scenario.conditions))
    return found


def _begins(incident: Incident, start: int, end: int) -> int:
    begins = start + int((end - start) * incident.begins)
    if incident.hour is None:
        return begins
    day = begins - begins % DAY + incident.hour * HOUR
    fit = [at for at in (day - DAY, day, day + DAY) if start <= at <= end - incident.lasts_hours * HOUR]
    return min(fit, key=lambda at: abs(at - begins), default=begins)


@cache
def load(path: Path = FILE) -> dict[str, Scenario]:
    """The scenarios by name, in the order of the file.

    Raises:
        UserError: the file is not there, is not TOML or holds a wrong scenario; names the scenario and the field.
    """
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"scenarios {path}: {error.strerror}") from None
    except ValueError as error:
        raise UserError(f"scenarios {path.name}: not TOML: {error}") from None
    if NORMAL not in tables:
        raise UserError(f"scenarios {path.name}: there is no [{NORMAL}] in it, which the others build on")
    found = {}
    for name, table in tables.items():
        try:
            found[name] = _scenario(name, {**table}, tables[NORMAL])
        except (msgspec.ValidationError, ValueError) as error:
            raise UserError(f"scenarios {path.name}: {name}: {str(error).replace('`$.', '`')}") from None
    return found


def scenario(name: str) -> Scenario:
    """The scenario of that name.

    Raises:
        UserError: there is none.
    """
    found = load()
    if name not in found:
        raise UserError(f"scenario {name!r}: give one of {', '.join(found)}")
    return found[name]


class _Description(msgspec.Struct, kw_only=True):
    title: Annotated[str, Meta(min_length=1, max_length=40)]
    description: Text
    incidents: list[dict[str, Any]] = []


class _Timing(msgspec.Struct, kw_only=True):
    begins: Annotated[float, Meta(ge=0, lt=1)]
    hour: Annotated[int, Meta(ge=0, le=23)] | None = None
    lasts_hours: Annotated[float, Meta(gt=0, le=10_000)]


_SHAPE = {"hours", "weekdays", "growth_per_week"}


def _scenario(name: str, table: dict[str, Any], normal: dict[str, Any]) -> Scenario:
    words = msgspec.convert(table, _Description)
    own = {key: value for key, value in table.items() if key not in _Description.__struct_fields__}
    usual = _merge(
        {key: value for key, value in normal.items() if key not in _Description.__struct_fields__}, own
    )
    incidents = []
    for each in words.incidents:
        when = msgspec.convert(each, _Timing)
        changes = {key: value for key, value in each.items() if key not in _Timing.__struct_fields__}
        if unfit := _SHAPE & changes.keys():
            raise ValueError(f"an incident cannot change {', '.join(sorted(unfit))}; use arrivals")
        incidents.append(
            Incident(when.begins, when.hour, when.lasts_hours, _conditions(_merge(usual, changes)))
        )
    return Scenario(name, words.title, words.description, _conditions(usual), incidents)


def _conditions(table: dict[str, Any]) -> Conditions:
    conditions = msgspec.convert(table, Conditions)
    for name in ("hours", "weekdays"):
        if not any(getattr(conditions, name)):
            raise ValueError(f"at least one of its {name} must be above 0")
    if not any(method.share for method in conditions.methods.values()):
        raise ValueError("at least one of its methods must have a share above 0")
    return conditions


def _merge(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """The base with the changes in it, table by table."""
    merged = {**base}
    for key, value in changes.items():
        merged[key] = (
            _merge(base[key], value) if isinstance(value, dict) and isinstance(base.get(key), dict) else value
        )
    return merged
