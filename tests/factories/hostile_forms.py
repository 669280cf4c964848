"""Forms of the storm: bodies that trigger DAG runs through Airflow's API, with params that no form offers."""

import json
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any, NamedTuple

from jsonschema import Draft202012Validator

from factories.hostile_damages import new_event
from factories.hostile_records import HOSTILE_TEXTS
from shopnow.events import TOPIC_OF

SUCCESS, FAILED = "success", "failed"


class HostileForm(NamedTuple):
    """A body for the runs of a DAG."""

    dag_id: str
    body: bytes


class AcceptedForm(NamedTuple):
    """Params that Airflow accepts, and the state in which the run must end."""

    dag_id: str
    conf: dict[str, Any]
    state: str


_VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1.5, 10**30, -(10**400), 1e308, "", " ", "\0", "\ud800", "x" * 100_000),
    *([], {}, [[]], [None], {"": None}, {"$ref": "#"}, {"__class__": "x"}, [[[[[["x"]]]]]]),
    *HOSTILE_TEXTS,
)
"""Values for a param; used for those whose JSON Schema forbids them."""
_BROKEN_BODIES = (
    *(b"", b"{", b"[]", b"null", b"7", b'"x"', b"\xff\xfe", b"\0", b"[" * 5_000, b'{"a":' * 5_000, b"<xml/>"),
    *(b'{"conf": 7}', b'{"conf": [1]}', b'{"conf": "x"}', b'{"conf": {}, "logical_date": "yesterday"}'),
    *(
        b'{"conf": {}, "dag_run_id": 7}',
        b'{"conf": {}, "dag_run_id": ["x"]}',
    ),
)


_NOT_STORED = ("\0", "\ud800")
"""Texts that Airflow's database refuses."""


def refused(rng: Random, params: Mapping[str, Mapping[str, Any]], count: int) -> list[HostileForm]:
    """Generate forms that must be refused.

    Args:
        params: JSON Schema of each param of each DAG, by DAG id.
    """
    broken = [
        HostileForm(rng.choice(list(params)), _BROKEN_BODIES[number % len(_BROKEN_BODIES)])
        for number in range(count // 8)
    ]
    choices = [
        (dag_id, name, value)
        for dag_id, schemas in params.items()
        for name, schema in schemas.items()
        for value in _VALUES
        if not Draft202012Validator(schema).is_valid(value)
    ]
    not_stored = [
        HostileForm("send_events", json.dumps({"logical_date": None, "conf": {"events": text}}).encode())
        for text in _NOT_STORED
    ]
    rest = count - len(broken) - len(not_stored)
    return [*broken, *not_stored, *(_wrong(rng, *choice) for choice in rng.choices(choices, k=rest))]


def _wrong(rng: Random, dag_id: str, name: str, value: Any) -> HostileForm:
    conf = {name: value} | ({"surplus": rng.choice(HOSTILE_TEXTS)} if rng.random() < 0.2 else {})
    return HostileForm(dag_id, json.dumps({"logical_date": None, "conf": conf}).encode())


def accepted(rng: Random, count: int) -> Sequence[AcceptedForm]:
    """Return the first forms of a list, which are accepted; each costs a DAG run."""
    events = [new_event(rng, rng.choice(list(TOPIC_OF))) for _ in range(20)]
    hostile = [{**events[0], "event_id": value} for value in _VALUES if value not in _NOT_STORED]
    batch = b"\n".join(json.dumps(event).encode() for event in (*events, *hostile, {"event_type": "a\0b"}))
    silence = {"action": "silence", "alert": "stock_out", "reason": "storm"}
    report = {"recipients": "storm@example.org"}
    return [
        AcceptedForm("send_events", {"events": batch.decode(), "partial": True}, SUCCESS),
        AcceptedForm("send_events", {"events": '{"event_type": "\\u0000\\ud800", \x1b'}, FAILED),
        AcceptedForm("acknowledge_alert", {"alert": "'; DROP TABLE alerts; --", "reason": "storm"}, FAILED),
        AcceptedForm("replay_quarantine", {"corrections": [{"topic": "x", "value": events}]}, FAILED),
        AcceptedForm("rebuild_day", {"date": "9999-12-31"}, SUCCESS),
        AcceptedForm("acknowledge_alert", silence | {"until": "9999-12-31T23:59:59-12:00"}, FAILED),
        AcceptedForm("management_report", report | {"date": "0001-01-01"}, SUCCESS),
        AcceptedForm("generate_traffic", {"start": "0001-01-01T00:00:00+23:59", "sessions": 1}, FAILED),
        AcceptedForm("forget_customer", {"customer_id": "'; --", "confirm": "x"}, FAILED),
        AcceptedForm("compact_lake", {"before": "0001-01-01"}, SUCCESS),
        AcceptedForm("management_report", report | {"date": "9999-12-31"}, SUCCESS),
        AcceptedForm("rebuild_day", {"date": "0001-01-01"}, SUCCESS),
    ][:count]
