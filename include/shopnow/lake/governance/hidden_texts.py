"""The texts within a value that is not an event: it may be compressed, base64, or another Unicode encoding.

Erasure looks into these; what else hides text, such as encryption, cannot be read. Formats with plain strings
(Avro, Protobuf, MessagePack) need no decoding.
"""

import base64
import binascii
import bz2
import io
import lzma
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress

import pyarrow as pa

from shopnow import wrappings

MAX_BYTES = 16 << 20
"""Bytes decoded of one value, twice the largest record: no small value can take all memory."""
_MAX_LEVELS = 4

_SNAPPY_MARK = 10
"""Length of the mark that begins the framing format."""
_SNAPPY_JAVA_HEADER = 16

_BASE64 = re.compile(rb"[A-Za-z0-9+/_-]{12,}={0,2}")
_URL_SAFE = bytes.maketrans(b"-_", b"+/")

_ERRORS = (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, NotImplementedError)


def hidden_texts(value: bytes) -> Iterator[bytes]:
    """Yield the UTF-8 texts, or other bytes, that the value hides on any level; not the value itself."""
    remaining, level = MAX_BYTES, [value]
    for _ in range(_MAX_LEVELS):
        found = []
        for outer in level:
            for content in _contents(outer, remaining):
                remaining -= len(content)
                if remaining <= 0:
                    return
                found.append(content)
                yield content
        level = found


def _contents(value: bytes, limit: int) -> Iterator[bytes]:
    wrapping = wrappings.of_bytes(value) if value else None
    decode = _DECODERS.get(wrapping.name) if wrapping is not None else None
    if decode is not None:
        # It may only look like it.
        with suppress(*_ERRORS):
            yield decode(value, limit)
        return
    for match in _BASE64.finditer(value):
        try:
            text = match[0].translate(_URL_SAFE).rstrip(b"=")
            yield base64.b64decode(text + b"=" * (-len(text) % 4), validate=True)
        except binascii.Error:
            continue


def _unicode(encoding: str) -> Callable[[bytes, int], bytes]:
    def decode(value: bytes, limit: int) -> bytes:
        return value[:limit].decode(encoding, errors="replace").encode(errors="replace")

    return decode


def _utf_16(value: bytes, limit: int) -> bytes:
    has_mark = value[:2] in {b"\xff\xfe", b"\xfe\xff"}
    encoding = "utf-16" if has_mark else "utf-16-be" if value[:1] == b"\0" else "utf-16-le"
    return _unicode(encoding)(value, limit)


def _utf_32(value: bytes, limit: int) -> bytes:
    return _unicode("utf-32-be" if value[:1] == b"\0" else "utf-32-le")(value, limit)


def _deflated(value: bytes, limit: int) -> bytes:
    return zlib.decompressobj(wbits=zlib.MAX_WBITS | 32).decompress(value, limit)


def _by_arrow(codec: str) -> Callable[[bytes, int], bytes]:
    def decode(value: bytes, limit: int) -> bytes:
        with pa.CompressedInputStream(io.BytesIO(value), codec) as stream:
            return stream.read(limit)

    return decode


def _snappy(value: bytes, limit: int) -> bytes:
    """Decode Snappy's framing format, or the one of its Java library: blocks with their length in front."""
    is_framed, blocks = value[:1] == b"\xff", []
    position = _SNAPPY_MARK if is_framed else _SNAPPY_JAVA_HEADER
    while position + 4 <= len(value) and limit > 0:
        if is_framed:
            kind, length = value[position], int.from_bytes(value[position + 1 : position + 4], "little")
            block = value[position + 8 : position + 4 + length]  # after a checksum
        else:
            kind, length = 0, int.from_bytes(value[position : position + 4], "big")
            block = value[position + 4 : position + 4 + length]
        if kind <= 1:
            try:
                blocks.append(_snappy_block(block, limit) if kind == 0 else block[:limit])
            except _ERRORS:
                break  # what comes before a block that is cut off counts
            limit -= len(blocks[-1])
        position += 4 + length
    return b"".join(blocks)


def _snappy_block(block: bytes, limit: int) -> bytes:
    """Decode one block, which begins with the size of its content, seven bits a byte."""
    size = 0
    for index, byte in enumerate(block[:5]):
        size |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            break
    if size > limit:
        raise ValueError(f"a block of {size:,} bytes")
    return pa.Codec("snappy").decompress(block, size, asbytes=True)


def _zip(value: bytes, limit: int) -> bytes:
    contents = []
    with zipfile.ZipFile(io.BytesIO(value)) as archive:
        for member in archive.infolist():
            with archive.open(member) as file:
                contents.append(file.read(limit))
            limit -= len(contents[-1])
    return b"\n".join(contents)


_DECODERS: dict[str, Callable[[bytes, int], bytes]] = {
    "gzip": _deflated,
    "zlib": _deflated,
    "bzip2": lambda value, limit: bz2.BZ2Decompressor().decompress(value, limit),
    "xz": lambda value, limit: lzma.LZMADecompressor().decompress(value, limit),
    "zstd": _by_arrow("zstd"),
    "lz4": _by_arrow("lz4"),
    "snappy": _snappy,
    "ZIP": _zip,
    "UTF-16": _utf_16,
    "UTF-32": _utf_32,
}
"""By the name of the wrapping; each decodes up to a number of bytes."""
