"""The topic reviews is defined, exists in Kafka, and its records land."""

import json
from collections.abc import Iterator

from labs import rows
from labs.requirement import Requirement

from shopnow.broker import topic_state
from shopnow.broker.client import Conf
from shopnow.cli.endpoints import endpoints
from shopnow.errors import UserError
from shopnow.events import TOPICS
from shopnow.examples import example_json

TOPIC, TYPE = "reviews", "review_written"


def requirements() -> Iterator[Requirement]:
    yield Requirement(
        f"events.py defines the topic {TOPIC}",
        TOPIC in TOPICS,
        "add an event type and a Topic to include/shopnow/events.py",
    )
    types = {type_.__struct_config__.tag: type_ for type_ in TOPICS[TOPIC].types}
    yield Requirement(
        f"the topic has the event type {TYPE}",
        TYPE in types,
        f"give the struct the tag {TYPE}; the topic has {', '.join(map(str, types))}",
    )
    event = example_json(types[TYPE])
    decoded = TOPICS[TOPIC].decoder().decode(json.dumps(event).encode())
    yield Requirement(
        "the key of the topic is a field of the event",
        bool(getattr(decoded, TOPICS[TOPIC].key, None)),
        f"{TOPICS[TOPIC].key} is none; name a field by which records stay in order, such as product_id",
    )
    conf, lake = endpoints()
    yield Requirement(
        f"Kafka has the topic {TOPIC}", _exists(conf), "./shopnow up creates the missing topics"
    )
    landed = rows.raw(lake, TOPIC, TYPE)
    yield Requirement(
        f"raw/{TOPIC} has a valid record",
        any(row["problem"] is None for row in landed),
        f"send a {TYPE} by ./shopnow send, and wait for a run of land_events",
    )


def _exists(conf: Conf) -> bool:
    try:
        return bool(topic_state.topic_id(conf, TOPIC))
    except UserError:
        return False
