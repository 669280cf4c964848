"""Texts that other encodings hide are found, on several levels and within a bound."""

import base64
import bz2
import gzip
import io
import json
import lzma
import zipfile
import zlib

import pyarrow as pa
import pytest

from shopnow.lake.governance import hidden_texts
from shopnow.lake.governance.hidden_texts import MAX_BYTES

TEXT = json.dumps({"event_type": "order_placed", "customer_id": "customer-0a1b"}).encode()


def zipped(*texts: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for number, text in enumerate(texts):
            archive.writestr(str(number), text)
    return file.getvalue()


def by_arrow(codec: str) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, codec) as stream:
        stream.write(TEXT)
    return sink.getvalue().to_pybytes()


SNAPPY_BLOCK = pa.Codec("snappy").compress(TEXT, asbytes=True)
SNAPPY_FRAMED = bytes.fromhex(
    # As the library cramjam writes it: a chunk that did not get smaller.
    "ff060000734e6150705901420000fdfdee767b226576656e745f74797065223a20226f726465725f706c61636564222c20"
    "22637573746f6d65725f6964223a2022637573746f6d65722d30613162227d"
)


def block_of_snappy_frames(block: bytes) -> bytes:
    """Return a compressed chunk of the framing format; readers for search ignore the checksum."""
    return SNAPPY_FRAMED[:10] + b"\0" + (len(block) + 4).to_bytes(3, "little") + b"\0" * 4 + block


VALUES = {
    "snappy": SNAPPY_FRAMED,
    "snappy, compressed": block_of_snappy_frames(SNAPPY_BLOCK),
    "snappy of Java": b"\x82SNAPPY\0\0\0\0\1\0\0\0\1" + len(SNAPPY_BLOCK).to_bytes(4) + SNAPPY_BLOCK,
    "gzip": gzip.compress(TEXT),
    "zlib": zlib.compress(TEXT),
    "bzip2": bz2.compress(TEXT),
    "xz": lzma.compress(TEXT),
    "zstd": by_arrow("zstd"),
    "lz4": by_arrow("lz4"),
    "ZIP": zipped(b"other", TEXT),
    "base64": base64.b64encode(TEXT),
    "base64 without padding": base64.b64encode(TEXT).rstrip(b"="),
    "URL-safe base64": base64.urlsafe_b64encode("¿¿¿".encode() + TEXT),
    "base64 in JSON": json.dumps({"payload": base64.b64encode(TEXT).decode()}).encode(),
    "UTF-16": TEXT.decode().encode("utf-16"),
    "UTF-16 without mark": TEXT.decode().encode("utf-16-le"),
    "UTF-16, big endian": TEXT.decode().encode("utf-16-be"),
    "UTF-32": TEXT.decode().encode("utf-32-le"),
    "base64 of gzip": base64.b64encode(gzip.compress(TEXT)),
    "gzip of UTF-16": gzip.compress(TEXT.decode().encode("utf-16")),
    "cut-off snappy": block_of_snappy_frames(SNAPPY_BLOCK) + block_of_snappy_frames(SNAPPY_BLOCK)[10:-6],
    "cut-off gzip": gzip.compress(TEXT)[:-6],
}


@pytest.mark.parametrize("name", VALUES)
def test_finds_the_text(name):
    assert any(b'"customer_id": "customer-0a1b"' in text for text in hidden_texts.hidden_texts(VALUES[name]))


@pytest.mark.parametrize(
    "value", [b"", b"\x1f\x8b\x08 no gzip", b"BZh", b"\xff\xfe", b"\x82SNAPPY\0cut off", b'{"a": 1}']
)
def test_other_values_hide_nothing(value):
    assert [text for text in hidden_texts.hidden_texts(value) if text] == []


def test_decodes_a_bounded_size():
    bomb = gzip.compress(b"\0" * MAX_BYTES)
    many = json.dumps([base64.b64encode(bomb).decode()] * 3).encode()
    lie = b"\x82SNAPPY\0" + b"\0" * 8 + (10).to_bytes(4) + b"\xff\xff\xff\xff\x7f" + b"\0" * 5
    for value in (bomb, many, gzip.compress(many), lie):
        assert sum(map(len, hidden_texts.hidden_texts(value))) <= MAX_BYTES
