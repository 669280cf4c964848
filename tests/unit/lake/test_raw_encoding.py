import io
import json

import pyarrow as pa
import pyarrow.parquet as pq

from factories.events import event_id
from shopnow import events
from shopnow.broker.reader import Chunk
from shopnow.lake.delta import parquet
from shopnow.lake.ingest import raw_encoding

DECODE = events.TOPICS["orders"].decoder().decode
CANCELLED = events.OrderCancelled(
    event_id=event_id(1),
    event_time=events.msgspec.convert("2026-01-02T03:04:05Z", events.Time),
    schema_version=1,
    order_id="o",
    reason="r",
)
GOOD = events.encode(CANCELLED)
CHUNK = Chunk(
    partition=3,
    offsets=[7, 8, 11],
    timestamps=[1_767_323_045_678, -1, 2**62],
    keys=[b"o", None, b""],
    values=[GOOD, None, b"\xff"],
    headers=[[("producer", b"me"), ("empty", None)], None, []],
)


def test_encodes_every_record_unchanged_with_its_problem() -> None:
    batch, receipt = raw_encoding.encode("topic-id", CHUNK, DECODE)
    assert batch.schema == raw_encoding.FILE_SCHEMA
    columns = batch.to_pydict()
    assert columns["topic_id"] == ["topic-id"] * 3
    assert columns["partition"] == [3] * 3
    assert columns["offset"] == CHUNK.offsets
    assert [stamp and stamp.isoformat() for stamp in columns["timestamp"]] == [
        "2026-01-02T03:04:05.678000+00:00",
        None,
        None,
    ]
    assert columns["key"] == CHUNK.keys
    assert columns["value"] == CHUNK.values
    assert columns["headers"] == [
        [{"key": "producer", "value": b"me"}, {"key": "empty", "value": None}],
        None,
        [],
    ]
    assert columns["problem"] == [None, "no value", "invalid UTF-8 (byte 0)"]
    assert (receipt.start, receipt.end, receipt.rows, receipt.quarantined, receipt.gaps) == (
        7,
        12,
        3,
        2,
        2,
    )
    assert receipt.first_event == receipt.last_event == CANCELLED.event_time


def test_parquet_file_and_its_statistics() -> None:
    table = pa.Table.from_batches([raw_encoding.encode("topic-id", CHUNK, DECODE)[0]] * 2)
    assert pq.read_table(io.BytesIO(parquet.encode(table))).to_pydict() == table.to_pydict()
    assert json.loads(parquet.statistics(table)) == {
        "numRecords": 6,
        "minValues": {"partition": 3, "offset": 7, "timestamp": "2026-01-02T03:04:05.678Z"},
        "maxValues": {"partition": 3, "offset": 11, "timestamp": "2026-01-02T03:04:05.678Z"},
        "nullCount": {"partition": 0, "offset": 0, "timestamp": 4, "problem": 2},
    }
