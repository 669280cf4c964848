"""AsyncAPI 3 document of the topics and events, derived from the definitions in `shopnow.events`."""

from typing import Any

from shopnow import examples
from shopnow.events import SCHEMA_VERSION, TOPIC_OF, TOPICS, Event, Topic
from shopnow.schemas import json_schemas

_KAFKA_BINDING_VERSION = "0.5.0"


def document() -> dict[str, Any]:
    """Build the AsyncAPI document as a JSON-compatible dictionary."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "ShopNow+ events",
            "version": f"{SCHEMA_VERSION}.0.0",
            "description": "Events of the shop, one JSON object per record. Any producer may send; "
            "invalid records are quarantined.",
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
                    "send", name, "Sent by the simulated shop and by the DAG send_events."
                )
                for name in TOPICS
            },
            **{
                f"land_{name}": _operation(
                    "receive", name, "The DAG land_events copies every record to the lake."
                )
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
        "bindings": {"kafka": {"topic": topic.name, "bindingVersion": _KAFKA_BINDING_VERSION}},
    }


def _operation(action: str, name: str, summary: str) -> dict[str, Any]:
    return {"action": action, "channel": {"$ref": f"#/channels/{name}"}, "summary": summary}


def _message(type_: type[Event], topic: Topic) -> dict[str, Any]:
    return {
        "name": _tag(type_),
        "payload": {"$ref": f"#/components/schemas/{type_.__name__}"},
        "bindings": {
            "kafka": {
                "key": {"type": "string", "description": f"{topic.key} of the event"},
                "bindingVersion": _KAFKA_BINDING_VERSION,
            }
        },
        "examples": [{"payload": examples.example_json(type_)}],
    }


def _tag(type_: type[Event]) -> str:
    return str(type_.__struct_config__.tag)
