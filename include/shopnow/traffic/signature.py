"""Signatures of the generator's own records: ledger, state and receipts of a Kafka that has no login.

Anybody who reaches such a Kafka can write to these topics, and the header that marks the generator's records
is public. So with the local Kafka each record also has a signature by a key that only the owner of the data
directory can read. Records that are older than the key have none; they are recognized by their offsets.
A Kafka with logins needs no signatures: its ACLs decide who may write to these topics.
"""

import hashlib
import hmac
import json
import os
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from shopnow.broker.client import Conf
from shopnow.errors import UserError
from shopnow.framing import Header
from shopnow.settings import Settings

HEADER = "signature"
_NONCE_BYTES = 16


class Key(NamedTuple):
    """The key of an installation."""

    secret: bytes
    unsigned_until: Mapping[str, int] | None
    """By topic id, the offset until which records may be unsigned; None while that is not known yet."""

    def sign(self, topic: str, key: bytes, value: bytes | None) -> Header:
        """Return the header with a signature of a record; two signatures of equal records differ."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return HEADER, nonce + self._digest(topic, key, value, nonce)

    def is_valid(self, topic: str, key: bytes, value: bytes | None, signature: bytes) -> bool:
        nonce, digest = signature[:_NONCE_BYTES], signature[_NONCE_BYTES:]
        return hmac.compare_digest(digest, self._digest(topic, key, value, nonce))

    def may_be_unsigned(self, topic_id: str, offset: int) -> bool:
        """Return whether the record at this offset may be older than the key."""
        return self.unsigned_until is None or offset < self.unsigned_until.get(topic_id, 0)

    def _digest(self, topic: str, key: bytes, value: bytes | None, nonce: bytes) -> bytes:
        parts = (nonce, topic.encode(), key, b"-" if value is None else b"+" + value)
        digest = hmac.new(self.secret, digestmod=hashlib.sha256)
        for part in parts:
            digest.update(len(part).to_bytes(8))
            digest.update(part)
        return digest.digest()


class Verifier:
    """Tells the generator's records of one topic from those of others, in the order of their offsets."""

    def __init__(self, key: Key, topic: str, topic_id: str) -> None:
        self._key, self._topic, self._topic_id = key, topic, topic_id
        self._accepted: set[bytes] = set()

    def accepts(self, offset: int, key: bytes, value: bytes | None, headers: Iterable[Header]) -> bool:
        """Return whether the generator wrote the record; a second record with a signature is a copy."""
        signature = next((content for name, content in headers if name == HEADER), None) or b""
        is_signed = signature not in self._accepted and self._key.is_valid(self._topic, key, value, signature)
        if is_signed:
            self._accepted.add(signature)
        return is_signed or self._key.may_be_unsigned(self._topic_id, offset)


def load(conf: Conf) -> Key | None:
    """Return the key of the local Kafka; None if `conf` is that of another Kafka, or there is no key yet.

    Raises:
        UserError: a setting is invalid, or the file of the key is damaged.
    """
    settings = Settings.load()
    if str(conf.get("bootstrap.servers")).replace("localhost", "127.0.0.1") != settings.bootstrap_servers:
        return None
    return _read(_file(settings))


def create(settings: Settings, fence: Callable[[], Mapping[str, int]]) -> None:
    """Create the key, unless it exists.

    Args:
        fence: ends the runs that do not sign, then returns the topics' end offsets by topic id. It is called
            when new runs sign already, so that no unsigned record follows these offsets.

    Raises:
        UserError: the file of the key is damaged.
    """
    file = _file(settings)
    key = _read(file)
    if key is None:
        key = Key(secrets.token_bytes(32), None)
        _write(file, key)
    if key.unsigned_until is None:
        _write(file, key._replace(unsigned_until=fence()))


def headers_of(key: Key | None, topic: str, record_key: bytes, value: bytes | None) -> Sequence[Header]:
    """Return the headers to add to a record."""
    return [key.sign(topic, record_key, value)] if key else []


def _file(settings: Settings) -> Path:
    return settings.data_dir / "ledger_key.json"


def _read(file: Path) -> Key | None:
    try:
        content = json.loads(file.read_text())
        return Key(bytes.fromhex(content["secret"]), content["unsigned_until"])
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError):
        raise UserError(
            f"{file}, the key of the ledger's signatures, is damaged: restore it from a backup; without it, "
            "start with a new SHOPNOW_DATA_DIR"
        ) from None


def _write(file: Path, key: Key) -> None:
    new = file.with_name(f"{file.name}.{os.getpid()}")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
        json.dump({"secret": key.secret.hex(), "unsigned_until": key.unsigned_until}, stream)
        stream.flush()
        os.fsync(stream.fileno())
    new.replace(file)
