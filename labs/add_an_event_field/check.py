"""The optional field gift_message of orders is a new schema version that readers of the old one survive."""

import json
import re
from collections.abc import Iterator

import msgspec
from labs.requirement import Requirement

from shopnow import schemas
from shopnow.events import SCHEMA_VERSION, TOPICS, OrderPlaced
from shopnow.examples import example_json
from shopnow.traffic import faults
from shopnow.traffic.run_config import RunConfig
from shopnow.traffic.simulation import simulate
from shopnow.traffic.state import Run, State

FIELD = "gift_message"
ORDERS = TOPICS["orders"]
NEW_YEAR, DAY = 1_767_225_600_000, 86_400_000
"""2026-01-01 and the length of a day, in ms."""


def requirements() -> Iterator[Requirement]:
    fields = {field.name: field for field in msgspec.structs.fields(OrderPlaced)}
    yield Requirement(
        f"order_placed has the field {FIELD}",
        FIELD in fields,
        "add it at the end of OrderPlaced in include/shopnow/events.py",
    )
    yield Requirement(
        "the field is optional, with a default of None",
        fields[FIELD].default is None,
        "give it the type Text | None and the default None: records of old producers do not have it",
    )
    versions = {name: _since_version(name) for name in fields}
    yield Requirement(
        "the field belongs to a new schema version, the latest",
        versions[FIELD] == SCHEMA_VERSION and list(versions.values()).count(SCHEMA_VERSION) == 1,
        f'increase SCHEMA_VERSION and end the description with "since version N"; SCHEMA_VERSION is '
        f"{SCHEMA_VERSION}, the field is of version {versions[FIELD]}",
    )
    example = example_json(OrderPlaced)
    yield Requirement(
        "the example of order_placed has the field",
        isinstance(example.get(FIELD), str),
        "add a value to include/shopnow/examples.py",
    )
    old = {name: value for name, value in example.items() if name != FIELD}
    read = _decode({**old, "schema_version": SCHEMA_VERSION - 1})
    yield Requirement(
        "a record of the version before is still a valid event",
        isinstance(read, OrderPlaced) and getattr(read, FIELD) is None,
        f"it is rejected: {read}; only optional fields can be added",
    )
    yield Requirement(
        "the tables of Arrow and Spark have the column",
        FIELD in schemas.events(ORDERS).names and f"`{FIELD}` STRING" in schemas.spark_ddl(_columns()),
        "derive them from the struct, as include/shopnow/schemas.py does",
    )
    invalid = _invalid_simulated()
    yield Requirement(
        "the simulated shop still sends valid orders",
        not invalid,
        f"{invalid}; the JSON template in include/shopnow/traffic/sessions.py has one more %s",
    )
    yield Requirement(
        "records of version 1 have neither the field nor the coupon",
        _version_1_fields(example).isdisjoint({FIELD, "coupon"}),
        "remove it in to_version_1 of include/shopnow/traffic/faults.py",
    )


def _since_version(name: str) -> int | None:
    properties = schemas.json_schema(OrderPlaced)["properties"]
    match = re.search(r"since version (\d+)", properties[name].get("description", ""))
    return int(match[1]) if match else None


def _columns():
    return schemas.event_fields(ORDERS)


def _decode(event: dict) -> OrderPlaced | str:
    try:
        return ORDERS.decoder().decode(json.dumps(event).encode())
    except msgspec.ValidationError as error:
        return str(error)


def _invalid_simulated() -> str:
    """Return why an order of the simulated shop is invalid; empty if all are valid."""
    run = Run("lab", RunConfig(sessions=100, seed=1), 100, NEW_YEAR, NEW_YEAR + DAY)
    decoders = {name: topic.decoder() for name, topic in TOPICS.items()}
    try:
        for chunk in simulate(State(), run, 100):
            for topic, value in zip(chunk.batch.topics, chunk.batch.values, strict=True):
                decoders[topic].decode(value)
    except (TypeError, msgspec.DecodeError) as error:
        return str(error)
    return ""


def _version_1_fields(example: dict) -> set[str]:
    """Return the optional fields that are left of orders with any of them, reduced to version 1."""
    left = set()
    for names in (["coupon"], [FIELD], ["coupon", FIELD]):
        order = {"order_id": "o", **{name: example[name] for name in names}}
        # A body ends before the fields common to all events.
        body = json.dumps(order, separators=(",", ":")).encode().removesuffix(b"}") + b","
        left |= set(json.loads(faults.to_version_1(body) + b'"event_id":"e"}'))
    return left
