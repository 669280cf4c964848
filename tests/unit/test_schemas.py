"""The JSON Schemas and the AsyncAPI document agree with the event definitions."""

import json
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from jsonschema import Draft202012Validator

from shopnow.asyncapi import document
from shopnow.events import TOPIC_OF, TOPICS, Event
from shopnow.examples import example_json
from shopnow.schemas import json_schema


def is_valid(type_: type[Event], event: Any) -> bool:
    """Return whether the event is valid; assert that schema and definition agree on it."""
    schema = json_schema(type_)
    Draft202012Validator.check_schema(schema)
    by_schema = Draft202012Validator(schema).is_valid(event)
    try:
        by_definition = isinstance(TOPIC_OF[type_].decoder().decode(json.dumps(event).encode()), type_)
    except msgspec.ValidationError:
        by_definition = False
    assert by_schema == by_definition
    return by_schema


@pytest.mark.parametrize("type_", TOPIC_OF)
def test_schema_and_definition_agree(type_):
    event = example_json(type_)
    assert is_valid(type_, event)
    assert is_valid(type_, event | {"a_later_field": [1]})
    for field, value in event.items():
        without_field = {name: value for name, value in event.items() if name != field}
        assert is_valid(type_, without_field) == (field == "coupon"), field
        wrong = {str: 5, int: "5", float: "half", list: {}}[type(value)]
        assert not is_valid(type_, event | {field: wrong}), field
        if isinstance(value, int | float):
            assert not is_valid(type_, event | {field: 10**13}), field
        if isinstance(value, str) and field not in {"event_time", "promised_at"}:
            assert not is_valid(type_, event | {field: "x" * 501}), field


def test_order_items_are_validated():
    [order_placed] = [type_ for type_ in TOPIC_OF if type_.__name__ == "OrderPlaced"]
    order = example_json(order_placed)
    assert not is_valid(order_placed, order | {"items": []})
    assert not is_valid(order_placed, order | {"items": [order["items"][0] | {"quantity": 0}]})
    assert not is_valid(order_placed, order | {"items": [{"product_id": "p-001"}]})


def references(value: Any) -> Iterator[str]:
    for name, inner in (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    ):
        if name == "$ref":
            yield inner
        yield from references(inner)


def test_the_asyncapi_document_is_complete():
    root = document()
    for reference in references(root):
        target: Any = root
        for part in reference.removeprefix("#/").split("/"):
            target = target[part]
        assert target, reference
    assert set(root["channels"]) == set(TOPICS)
    in_channels = [name for channel in root["channels"].values() for name in channel["messages"]]
    assert sorted(in_channels) == sorted(root["components"]["messages"])
    assert len(in_channels) == len(TOPIC_OF)
    assert {
        (operation["action"], operation["channel"]["$ref"]) for operation in root["operations"].values()
    } == {(action, f"#/channels/{name}") for action in ("send", "receive") for name in TOPICS}


@pytest.mark.parametrize(
    "message", document()["components"]["messages"].values(), ids=lambda message: message["name"]
)
def test_the_examples_in_the_asyncapi_document_are_valid(message):
    schema = {**message["payload"], "components": document()["components"]}
    [example] = message["examples"]
    assert Draft202012Validator(schema).is_valid(example["payload"])
    assert not Draft202012Validator(schema).is_valid({})
