"""Delivery of a storm to a running stack: records to Kafka, files to HDFS, forms and requests over HTTP."""

import http.client
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from random import Random
from typing import Any, NamedTuple

import httpx
from confluent_kafka import KafkaError, Message, Producer
from hdfs import InsecureClient

from factories.hostile_forms import HostileForm
from factories.hostile_notes import HostileNote
from factories.hostile_records import HostileRecord
from factories.hostile_requests import HostileRequest
from shopnow import connections
from shopnow.broker import topics
from shopnow.restock import inbox
from shopnow.settings import Settings

COMPRESSIONS = ("none", "gzip", "snappy", "lz4", "zstd")
TIMEOUT_SECONDS = 120
CLIENTS = 2
"""Requests at the same time."""


class Delivered(NamedTuple):
    """A record in Kafka."""

    partition: int
    offset: int
    record: HostileRecord


class Answer(NamedTuple):
    """An answer to a form or request; the status is 0 if there was none."""

    status: int
    what: str
    """The form or request, shortened."""
    text: str = ""


def send_records(conf: dict[str, Any], rng: Random, records: Sequence[HostileRecord]) -> list[Delivered]:
    """Send the records with all compressions, some of them in a transaction; returns where they are."""
    delivered: list[Delivered] = []

    def keep(record: HostileRecord, error: KafkaError | None, message: Message) -> None:
        assert error is None, error
        delivered.append(Delivered(message.partition(), message.offset(), record))

    size = -(-len(records) // (len(COMPRESSIONS) + 1))
    for number, compression in enumerate((*COMPRESSIONS, None)):
        producer = _producer(conf, compression or "none", rng if compression is None else None)
        if compression is None:
            producer.begin_transaction()
        for record in records[number * size : (number + 1) * size]:
            _produce(producer, record, lambda error, message, record=record: keep(record, error, message))
        assert producer.flush(TIMEOUT_SECONDS) == 0
        if compression is None:
            producer.commit_transaction(TIMEOUT_SECONDS)
    return delivered


def open_transaction(conf: dict[str, Any], rng: Random, records: Iterable[HostileRecord]) -> Producer:
    """Send records in a transaction that is left open, which holds back all later records."""
    producer = _producer(conf, "none", rng)
    producer.begin_transaction()
    for record in records:
        _produce(producer, record, lambda error, message: None)
    assert producer.flush(TIMEOUT_SECONDS) == 0
    return producer


def _producer(conf: dict[str, Any], compression: str, transactional: Random | None) -> Producer:
    options = {**conf, "compression.type": compression, "message.max.bytes": topics.MAX_RECORD_BYTES}
    if transactional is None:
        return Producer(options)
    name = f"storm-{transactional.getrandbits(64):x}"
    producer = Producer(options | {"transactional.id": name, "transaction.timeout.ms": 900_000})
    producer.init_transactions(TIMEOUT_SECONDS)
    return producer


def _produce(producer: Producer, record: HostileRecord, on_delivery: Any) -> None:
    producer.poll(0)
    producer.produce(
        record.topic, record.value, record.key, headers=list(record.headers), on_delivery=on_delivery
    )


class InboxClient:
    """The inbox as a supplier's own program writes into it, without the checks of `./shopnow restock`."""

    def __init__(self, settings: Settings) -> None:
        active = connections.load(settings)
        webhdfs = active["webhdfs_default"]
        address = f"http://{webhdfs['host']}:{webhdfs['port']}"
        self._client = InsecureClient(address, user=webhdfs.get("login"))
        self._root = inbox.inbox_path(connections.lake_uri(active))

    def drop(self, notes: Iterable[HostileNote]) -> None:
        for note in notes:
            self._client.write(f"{self._root}/inbox/{note.name}", data=note.data)

    def pending(self) -> list[str]:
        """Return the names of the files that are not filed yet."""
        folders = [
            folder for folder in ("inbox", "taken") if self._client.status(f"{self._root}/{folder}", False)
        ]
        return [name for folder in folders for name in self._client.list(f"{self._root}/{folder}")]

    def names(self, folder: str, stem: str, suffix: str) -> list[str]:
        """Return the names of the files of a folder that begin and end so."""
        names = self._client.list(f"{self._root}/{folder}")
        return [name for name in names if name.startswith(stem) and name.endswith(suffix)]

    def content(self, folder: str, name: str) -> bytes | None:
        """Return the content of an archived file; None if the folder has no file of that name."""
        path = f"{self._root}/{folder}/{name}"
        if self._client.status(path, strict=False) is None:
            return None
        with self._client.read(path) as stream:
            return stream.read()


def post_forms(api: httpx.Client, forms: Iterable[HostileForm]) -> list[Answer]:
    """Post forms to Airflow's API, one after the other."""
    answers = []
    for form in forms:
        response = api.post(
            f"/dags/{form.dag_id}/dagRuns",
            content=form.body,
            headers={"Content-Type": "application/json"},
            timeout=TIMEOUT_SECONDS,
        )
        answers.append(
            Answer(response.status_code, f"{form.dag_id} {form.body[:200]!r}", response.text[:300])
        )
    return answers


def send_requests(port: int, token: str, requests: Sequence[HostileRequest]) -> list[Answer]:
    """Send requests to the tab, each over a connection of its own, as broken ones close theirs."""

    def send(request: HostileRequest) -> Answer:
        what = f"{request.method} {request.target[:200]} {(request.body or b'')[:100]!r}"
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_SECONDS)
        headers = {"Authorization": f"Bearer {token}", "Connection": "close", **request.headers}
        try:
            connection.putrequest(
                request.method,
                f"/shopnow{request.target}",
                skip_host="Host" in headers,
                skip_accept_encoding=True,
            )
            for name, value in headers.items():
                connection.putheader(name, value.encode("latin-1", "replace"))
            if request.body is not None:
                connection.putheader("Content-Length", str(len(request.body)))
            # A request that is no HTTP is answered, and its connection closed, before its body is read.
            with suppress(ConnectionError):
                connection.endheaders(request.body)
            response = connection.getresponse()
            is_endless = response.headers.get("Content-Type", "").startswith("text/event-stream")
            body = response.readline() if is_endless else response.read()
            return Answer(response.status, what, body[:300].decode(errors="replace"))
        except (OSError, http.client.HTTPException) as error:
            return Answer(0, what, repr(error))
        finally:
            connection.close()

    with ThreadPoolExecutor(CLIENTS) as pool:
        return list(pool.map(send, requests))
