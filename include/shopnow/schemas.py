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
            metadata={"comment": "Kafka's id of the topic, new when recreated"},
        ),
        pa.field("partition", pa.int32(), nullable=False),
        pa.field("offset", pa.int64(), nullable=False),
        pa.field("timestamp", TIMESTAMP, metadata={"comment": "the Kafka record's timestamp"}),
        pa.field("key", pa.binary()),
        pa.field("value", pa.binary(), metadata={"comment": "the record's bytes, unchanged"}),
        pa.field("headers", pa.list_(pa.struct([("key", pa.string()), ("value", pa.binary())]))),
        pa.field("problem", pa.string(), metadata={"comment": "null, or what is wrong with the record"}),
        pa.field(
            "correction",
            pa.binary(),
            metadata={"comment": "the payload an operator gave instead; never set by landing"},
        ),
        pa.field("ingest_date", pa.date32(), nullable=False),
    ]
)
"""Columns of every `raw/{topic}` table, partitioned by `ingest_date`."""

SOURCE = pa.schema(
    [
        pa.field("source_topic_id", pa.string()),
        pa.field("source_partition", pa.int32()),
        pa.field("source_offset", pa.int64()),
        pa.field("event_date", pa.date32()),
    ]
)
"""Columns every `events/{topic}` row adds to its fields: the raw row it was made from, and its partition."""

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
    """The fields of all event types of the topic, `event_type` first; every one nullable, as types differ in theirs."""
    fields: dict[str, pa.DataType] = {"event_type": pa.string()}
    for type_ in topic.types:
        info = inspect.type_info(type_)
        if not isinstance(info, inspect.StructType):
            raise TypeError(f"{type_} is not a struct")
        for field in info.fields:
            arrow = _arrow(field.type)
            if fields.setdefault(field.encode_name, arrow) != arrow:
                raise TypeError(
                    f"{topic.name}: {field.encode_name} has two types, {fields[field.encode_name]} and {arrow}"
                )
    return pa.schema(list(fields.items()))


def events(topic: Topic) -> pa.Schema:
    """Columns of the `events/{topic}` table, partitioned by `event_date`."""
    return pa.schema([*event_fields(topic), *SOURCE])


def spark_ddl(schema: pa.Schema) -> str:
    """The schema as Spark DDL, for `DataFrameReader.schema` or `from_json`."""
    return ", ".join(f"`{field.name}` {_spark(field.type)}" for field in schema)


def json_schemas(ref_template: str = "#/$defs/{name}") -> dict[str, dict[str, Any]]:
    """The JSON Schema of every struct that events are made of, by its name; they refer to each other by the template."""
    types = [type_ for topic in TOPICS.values() for type_ in topic.types]
    _, definitions = msgspec.json.schema_components(types, ref_template=ref_template)
    return definitions


def json_schema(type_: type[Event]) -> dict[str, Any]:
    """The JSON Schema (2020-12) of an event type, complete in itself."""
    schema = msgspec.json.schema(type_)
    definitions = schema["$defs"]
    mine = definitions.pop(type_.__name__)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **mine,
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
        case inspect.UnionType(
            types=(known, inspect.NoneType())
        ):  # an optional field; every column is nullable anyway
            return _arrow(known)
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
