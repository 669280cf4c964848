"""The topics and their events as an AsyncAPI 3 document, derived from the event definitions in `shopnow.events`."""

from typing import Any

from shopnow import examples
from shopnow.events import SCHEMA_VERSION, TOPIC_OF, TOPICS, Event, Topic
from shopnow.schemas import json_schemas

_KAFKA = "0.5.0"
"""Version of AsyncAPI's Kafka bindings."""


def document() -> dict[str, Any]:
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "ShopNow+ events",
            "version": f"{SCHEMA_VERSION}.0.0",
            "description": "What happens in the shop, one JSON object a record. Anyone may send: what is no valid event is quarantined.",
            "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {
            "local": {
                "host": "127.0.0.1:9092",
                "protocol": "kafka",
                "description": "The broker that ./shopnow up starts.",
            }
        },
        "channels": {topic.name: _channel(topic) for topic in TOPICS.values()},
        "operations": {
            **{
                f"generate_{name}": _operation(
                    "send", name, "The simulated shop, and whoever uses send_events."
                )
                for name in TOPICS
            },
            **{
                f"land_{name}": _operation("receive", name, "land_events copies every record to the lake.")
                for name in TOPICS
            },
        },
        "components": {
            "messages": {_tag(type_): _message(type_, topic) for type_, topic in TOPIC_OF.items()},
            "schemas": json_schemas("#/components/schemas/{name}"),
        },
    }


def _channel(topic: Topic) -> dict[str, Any]:
    return {
        "address": topic.name,
        "description": f"Keyed by {topic.key}: records with the same key stay in order.",
        "messages": {_tag(type_): {"$ref": f"#/components/messages/{_tag(type_)}"} for type_ in topic.types},
        "bindings": {"kafka": {"topic": topic.name, "bindingVersion": _KAFKA}},
    }


def _operation(action: str, name: str, summary: str) -> dict[str, Any]:
    return {"action": action, "channel": {"$ref": f"#/channels/{name}"}, "summary": summary}


def _message(type_: type[Event], topic: Topic) -> dict[str, Any]:
    return {
        "name": _tag(type_),
        "payload": {"$ref": f"#/components/schemas/{type_.__name__}"},
        "bindings": {
            "kafka": {
                "key": {"type": "string", "description": f"the event's {topic.key}"},
                "bindingVersion": _KAFKA,
            }
        },
        "examples": [{"payload": examples.example_json(type_)}],
    }


def _tag(type_: type[Event]) -> str:
    return str(type_.__struct_config__.tag)
