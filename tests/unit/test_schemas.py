"""The JSON Schemas and the AsyncAPI document say of an event what the definitions say."""

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


def agreed(type_: type[Event], event: Any) -> bool:
    """Whether the event is valid, which the schema and the definitions have to see alike."""
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
    assert agreed(type_, event)
    assert agreed(type_, event | {"a_later_field": [1]})
    for field, value in event.items():
        less = {name: other for name, other in event.items() if name != field}
        assert agreed(type_, less) == (field == "coupon"), field
        wrong = {str: 5, int: "5", float: "half", list: {}}[type(value)]
        assert not agreed(type_, event | {field: wrong}), field
        if isinstance(value, int | float):
            assert not agreed(type_, event | {field: 10**13}), field
        if isinstance(value, str) and field not in {"event_time", "promised_at"}:
            assert not agreed(type_, event | {field: "x" * 501}), field


def test_the_parts_of_an_order_are_checked_as_well():
    [order_placed] = [type_ for type_ in TOPIC_OF if type_.__name__ == "OrderPlaced"]
    order = example_json(order_placed)
    assert not agreed(order_placed, order | {"items": []})
    assert not agreed(order_placed, order | {"items": [order["items"][0] | {"quantity": 0}]})
    assert not agreed(order_placed, order | {"items": [{"product_id": "p-001"}]})


def references(value: Any) -> Iterator[str]:
    for name, inner in (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    ):
        if name == "$ref":
            yield inner
        yield from references(inner)


def test_the_asyncapi_document_is_whole():
    whole = document()
    for reference in references(whole):
        at: Any = whole
        for part in reference.removeprefix("#/").split("/"):
            at = at[part]
        assert at, reference
    assert set(whole["channels"]) == set(TOPICS)
    in_channels = [name for channel in whole["channels"].values() for name in channel["messages"]]
    assert sorted(in_channels) == sorted(whole["components"]["messages"])
    assert len(in_channels) == len(TOPIC_OF)
    assert {(each["action"], each["channel"]["$ref"]) for each in whole["operations"].values()} == {
        (action, f"#/channels/{name}") for action in ("send", "receive") for name in TOPICS
    }


@pytest.mark.parametrize(
    "message", document()["components"]["messages"].values(), ids=lambda message: message["name"]
)
def test_the_examples_in_the_asyncapi_document_are_valid(message):
    schema = {**message["payload"], "components": document()["components"]}
    [example] = message["examples"]
    assert Draft202012Validator(schema).is_valid(example["payload"])
    assert not Draft202012Validator(schema).is_valid({})
