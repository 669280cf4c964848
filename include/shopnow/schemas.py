"""Arrow, Spark and JSON schemas, derived from the event definitions in `shopnow.events`."""

from collections.abc import Iterator
from typing import Any

import msgspec
import pyarrow as pa
from msgspec import inspect

from shopnow.events import TOPICS, Event, Topic

TIMESTAMP = pa.timestamp("us", tz="UTC")

RAW = pa.schema(
    [
        pa.field(
            "topic_id",
            pa.string(),
            nullable=False,
            metadata={"comment": "Kafka's topic id, which changes when the topic is recreated"},
        ),
        pa.field("partition", pa.int32(), nullable=False),
        pa.field("offset", pa.int64(), nullable=False),
        pa.field("timestamp", TIMESTAMP, metadata={"comment": "timestamp of the Kafka record"}),
        pa.field("key", pa.binary()),
        pa.field("value", pa.binary(), metadata={"comment": "value of the Kafka record, bytes unchanged"}),
        pa.field("headers", pa.list_(pa.struct([("key", pa.string()), ("value", pa.binary())]))),
        pa.field(
            "problem", pa.string(), metadata={"comment": "why the record is invalid; null if it is valid"}
        ),
        pa.field(
            "payload",
            pa.binary(),
            metadata={
                "comment": "canonical JSON of the event; null if every reader finds the same in `value`"
            },
        ),
        pa.field(
            "correction",
            pa.binary(),
            metadata={"comment": "replacement payload from an operator; never set by landing"},
        ),
        pa.field("ingest_date", pa.date32(), nullable=False),
    ]
)
"""Schema of every `raw/{topic}` table, partitioned by `ingest_date`."""

PAYLOADS = ("correction", "payload", "value")
"""Columns of raw that may hold the JSON of a valid record's event: it is in the first that is not null."""

SOURCE = pa.schema(
    [
        pa.field("source_topic_id", pa.string()),
        pa.field("source_partition", pa.int32()),
        pa.field("source_offset", pa.int64()),
        pa.field("event_date", pa.date32()),
    ]
)
"""Columns that `events/{topic}` tables add to the event fields: source raw row and partition value."""

_SPARK_NAMES = {
    "bool": "BOOLEAN",
    "int32": "INT",
    "int64": "BIGINT",
    "double": "DOUBLE",
    "string": "STRING",
    "binary": "BINARY",
    "date32[day]": "DATE",
}


def event_fields(topic: Topic) -> pa.Schema:
    """Return the fields of all event types of the topic, `event_type` first, all nullable.

    Raises:
        TypeError: a field has different types in two event types, or no Arrow type.
    """
    fields: dict[str, pa.DataType] = {"event_type": pa.string()}
    for type_ in topic.types:
        info = inspect.type_info(type_)
        if not isinstance(info, inspect.StructType):
            raise TypeError(f"{type_} is not a struct")
        for field in info.fields:
            arrow = _arrow(field.type)
            if fields.setdefault(field.encode_name, arrow) != arrow:
                raise TypeError(
                    f"{topic.name}.{field.encode_name} has two types: {fields[field.encode_name]} and {arrow}"
                )
    return pa.schema(list(fields.items()))


def events(topic: Topic) -> pa.Schema:
    """Return the schema of the `events/{topic}` table, partitioned by `event_date`."""
    return pa.schema([*event_fields(topic), *SOURCE])


def spark_ddl(schema: pa.Schema) -> str:
    """Return the schema as Spark DDL, for `DataFrameReader.schema` or `from_json`."""
    return ", ".join(f"`{field.name}` {_spark(field.type)}" for field in schema)


def json_schemas(ref_template: str = "#/$defs/{name}") -> dict[str, dict[str, Any]]:
    """Return the JSON Schema of every event struct by name; `ref_template` is the form of the references."""
    types = [type_ for topic in TOPICS.values() for type_ in topic.types]
    _, definitions = msgspec.json.schema_components(types, ref_template=ref_template)
    return definitions


def json_schema(type_: type[Event]) -> dict[str, Any]:
    """Return the self-contained JSON Schema (2020-12) of an event type."""
    schema = msgspec.json.schema(type_)
    definitions = schema["$defs"]
    root = definitions.pop(type_.__name__)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **root,
        **({"$defs": definitions} if definitions else {}),
    }


def _arrow(kind: inspect.Type) -> pa.DataType:
    match kind:
        case inspect.StrType() | inspect.LiteralType():
            return pa.string()
        case inspect.IntType():
            return pa.int64()
        case inspect.FloatType():
            return pa.float64()
        case inspect.DateTimeType():
            return TIMESTAMP
        case inspect.ListType():
            return pa.list_(_arrow(kind.item_type))
        case inspect.StructType():
            return pa.struct([(field.encode_name, _arrow(field.type)) for field in kind.fields])
        case inspect.Metadata():
            return _arrow(kind.type)
        case inspect.UnionType(types=(required, inspect.NoneType())):  # optional: every column is nullable
            return _arrow(required)
    raise TypeError(f"no Arrow type for {kind}")


def _spark(kind: pa.DataType) -> str:
    if pa.types.is_list(kind):
        return f"ARRAY<{_spark(kind.value_type)}>"
    if pa.types.is_struct(kind):
        return f"STRUCT<{', '.join(_struct_fields(kind))}>"
    return "TIMESTAMP" if pa.types.is_timestamp(kind) else _SPARK_NAMES[str(kind)]


def _struct_fields(kind: pa.StructType) -> Iterator[str]:
    for index in range(kind.num_fields):
        yield f"`{kind.field(index).name}`: {_spark(kind.field(index).type)}"
