"""A storm of hostile records, files, forms and requests through a running stack, and what must hold then."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import httpx

from factories import hostile_forms, hostile_notes, hostile_records, hostile_requests
from factories.hostile_forms import AcceptedForm
from factories.hostile_notes import HostileNote
from factories.hostile_records import Expected
from shopnow import connections
from shopnow.audit.verify import verify
from shopnow.events import OrderCancelled
from shopnow.examples import example_json
from shopnow.lake.lineage import freshness
from shopnow.local_stack import airflow, airflow_api, supervision
from shopnow.settings import ROOT, Settings
from shopnow_tab_app.pages.registry import EXPORTS
from support import storm_checks, storm_delivery
from support.full_stack import FINAL_STATES, MINUTE, Shopnow, answer_approval, get
from support.storm_delivery import Answer, Delivered, InboxClient

RUN_TIMEOUT = 15 * MINUTE
ABORTED_RECORDS = 10
HOSTILE_PRODUCT = "p-041"


class Sizes(NamedTuple):
    """Number of items of a storm, by kind."""

    records: int
    notes: int
    forms: int
    runs: int
    """Forms that are accepted, each of which costs a DAG run."""
    requests: int
    commands: int
    """Commands of `./shopnow`, with hostile files and on what the storm has left."""


class Stack(NamedTuple):
    """A running stack."""

    settings: Settings
    api: httpx.Client
    shopnow: Shopnow
    folder: Path
    """A folder for files to pass to `shopnow`."""

    @property
    def conf(self) -> dict[str, Any]:
        return connections.kafka_conf(connections.load(self.settings))


class Storm:
    """Items of a seed, delivered in parts, and what has become of them."""

    def __init__(self, stack: Stack, rng: Random) -> None:
        self.stack, self._rng = stack, rng
        self.delivered: list[Delivered] = []
        self.notes: list[HostileNote] = []
        self.answers: list[Answer] = []
        self.runs: list[tuple[AcceptedForm, str]] = []
        """Accepted forms with the ids of their runs."""
        self.misjudged: list[Answer] = []
        """Forms that Airflow should have refused or accepted, and did not."""
        self.items = 0
        self.logs = storm_checks.LogPositions(stack.settings)
        self._inbox = InboxClient(stack.settings)
        self._params = param_schemas(stack.api)
        self._port = stack.settings.ports["airflow"]
        self._token = airflow_api.fetch_token(
            airflow.url(stack.settings), airflow.ADMIN_USER, airflow.password(stack.settings)
        )
        self._tab = httpx.Client(
            base_url=f"{airflow.url(stack.settings)}/shopnow/api",
            headers={"Authorization": f"Bearer {self._token}"},
            timeout=MINUTE,
        )

    def deliver(self, sizes: Sizes) -> None:
        """Deliver items of all kinds, with another producer's transaction open meanwhile."""
        rng, stack = self._rng, self.stack
        records = hostile_records.generate(rng, sizes.records)
        aborted = storm_delivery.open_transaction(stack.conf, rng, records[:ABORTED_RECORDS])
        self.delivered += storm_delivery.send_records(stack.conf, rng, records)
        notes = hostile_notes.generate(rng, sizes.notes)
        self._inbox.drop(notes)
        self.notes += notes
        self._post(sizes)
        aborted.abort_transaction(MINUTE)
        self._wait_for_pages()
        openapi = self._tab.get("/openapi.json").raise_for_status().json()
        requests = hostile_requests.generate(rng, openapi, sizes.requests)
        self.answers += storm_delivery.send_requests(self._port, self._token, requests)
        self._run_commands(sizes.commands)
        self.items += sum(sizes) + ABORTED_RECORDS

    def _post(self, sizes: Sizes) -> None:
        forms = hostile_forms.refused(self._rng, self._params, sizes.forms)
        answers = storm_delivery.post_forms(self.stack.api, forms)
        self.misjudged += [answer for answer in answers if answer.status < 400]
        self.answers += answers
        for form in hostile_forms.accepted(self._rng, sizes.runs):
            self.runs.append((form, airflow_api.trigger(self.stack.api, form.dag_id, form.conf)))

    def _wait_for_pages(self) -> None:
        """Wait until the tab has read the lake; exports answer 503 before that."""
        for name in EXPORTS:
            assert supervision.wait_until(
                lambda path=f"/tables/{name}.csv": self._tab.get(path).status_code == 200,
                5 * MINUTE,
                interval=1,
            )

    def _run_commands(self, count: int) -> None:
        invalid = [item for item in self.delivered if item.record.expected == Expected.QUARANTINED]
        values = [item.record.value or b"" for item in invalid[:200]]
        notes = [note.data for note in self.notes if note.folder == hostile_notes.REJECTED]
        corrections = [
            b'{"topic":"%s","partition":%d,"offset":%d,"value":%s}'
            % (item.record.topic.encode(), item.partition, item.offset, item.record.value or b"")
            for item in invalid[:200]
        ]
        batch = self._file("batch.json", b"\n".join(values))
        commands = [
            ("quarantine", "--records", "--limit", "500"),
            ("send", batch),
            ("restock", self._file("note.csv", self._rng.choice(notes))),
            (
                "quarantine",
                "replay",
                "--corrections",
                self._file("corrections.jsonl", b"\n".join(corrections)),
            ),
            ("send", "--partial", self._file("binary", b"\0\xff" * 1000)),
            ("show", "raw/orders"),
            ("show", "events/orders"),
            ("inbox", "--texts"),
            ("alerts",),
            ("topics",),
            ("status",),
        ]
        for command in commands[:count]:
            process = self.stack.shopnow(*command, check=False)  # fails on a traceback
            lines = process.stderr.strip().splitlines()
            if process.returncode not in {0, 1} or (process.returncode == 1 and len(lines) != 1):
                self.misjudged.append(Answer(process.returncode, " ".join(command), process.stderr[:500]))

    def _file(self, name: str, content: bytes) -> str:
        path = self.stack.folder / name
        path.write_bytes(content)
        return str(path)

    def settle(self) -> None:
        """Wait until the runs of the forms have ended, all files are filed, and all records are in events."""
        for form, run_id in self.runs:
            state = wait_for(self.stack.api, form.dag_id, run_id)
            assert state == form.state, f"{form.dag_id} {form.conf!r:.300}: {state}"
        assert supervision.wait_until(lambda: not self._inbox.pending(), RUN_TIMEOUT, interval=1)
        run_dag(self.stack.api, "land_events")
        # Landing triggers compute_kpis.
        lake, now = self.stack.settings.lake_uri, datetime.now(UTC)
        assert supervision.wait_until(
            lambda: not freshness.lagging_topics(self.stack.conf, lake, now), RUN_TIMEOUT, interval=1
        )

    def problems(self) -> Iterator[str]:
        """Yield whatever does not hold."""
        lake = self.stack.settings.lake_uri
        yield from map(str, storm_checks.server_errors(self.answers))
        yield from map(str, self.misjudged)
        yield from storm_checks.lost_records(lake, self.delivered)
        yield from storm_checks.lost_notes(self._inbox, self.notes)
        yield from self.logs.tracebacks()
        yield from self.logs.failures()
        yield from (str(check) for check in verify(self.stack.conf, lake) if not check.ok)


def param_schemas(api: httpx.Client) -> dict[str, dict[str, Any]]:
    """Return the JSON Schema of each param of each DAG, by DAG id."""
    return {
        dag["dag_id"]: {
            name: param["schema"]
            for name, param in (get(api, f"/dags/{dag['dag_id']}/details")["params"] or {}).items()
        }
        for dag in airflow_api.list_dags(api)
    }


def wait_for(api: httpx.Client, dag_id: str, run_id: str) -> str:
    """Wait for a DAG run to end; returns its final state."""

    def state() -> str:
        return get(api, f"/dags/{dag_id}/dagRuns/{run_id}")["state"]

    assert supervision.wait_until(lambda: state() in FINAL_STATES, RUN_TIMEOUT, interval=0.5), dag_id
    return state()


def run_dag(api: httpx.Client, dag_id: str, **conf: Any) -> None:
    """Trigger a DAG run, and require that it succeeds."""
    assert wait_for(api, dag_id, airflow_api.trigger(api, dag_id, conf)) == "success", dag_id


def run_every_dag(api: httpx.Client) -> None:
    """Run every DAG with valid params, and require that all succeed."""
    proposal = {"product_id": HOSTILE_PRODUCT, "product_name": "<b>[x](y)</b>", "on_hand": 10**9}
    approval = airflow_api.trigger(api, "approve_restock", proposal)
    for wave in valid_params():
        runs = {dag_id: airflow_api.trigger(api, dag_id, conf) for dag_id, conf in wave.items()}
        states = {dag_id: wait_for(api, dag_id, run_id) for dag_id, run_id in runs.items()}
        assert set(states.values()) == {"success"}, states
    # At the end, as an answer that comes at once makes the task ask again.
    answer_approval(api, approval, "Reject", pieces=1, delivered_in_days=0, reason="=cmd")


def valid_params() -> Sequence[Mapping[str, dict[str, Any]]]:
    """Return valid params of each DAG that ends by itself; each wave needs what those before it have done."""
    event = example_json(OrderCancelled)
    del event["event_id"]
    until = datetime.now(UTC) + timedelta(hours=1)
    silence = {"action": "silence", "alert": "stock_out", "until": until.isoformat(), "reason": "storm"}
    yesterday = str(datetime.now(UTC).date() - timedelta(days=1))
    return (
        {"generate_traffic": {"sessions": 5}, "send_events": {"events": event}, "acknowledge_alert": silence},
        {"land_events": {}},
        {"compute_kpis": {}},
        {
            "forget_customer": {"customer_id": "storm-c-1", "confirm": "storm-c-1"},
            "compact_lake": {},
            "management_report": {"date": yesterday, "recipients": "storm@example.org"},
            "rebuild_day": {"date": yesterday},
            "repair_lake": {"dry_run": True},
            "replay_quarantine": {},
            "watch_stock": {},
        },
        {"audit_lake": {}},
    )


def dags_without_success(api: httpx.Client, since: datetime, dag_ids: Sequence[str]) -> list[str]:
    """Return the DAGs without a run that has succeeded since a moment."""

    def succeeded(dag_id: str) -> bool:
        query = f"state=success&end_date_gte={since:%Y-%m-%dT%H:%M:%SZ}&limit=1"
        return bool(get(api, f"/dags/{dag_id}/dagRuns?{query}")["dag_runs"])

    return [dag_id for dag_id in dag_ids if not succeeded(dag_id)]


def all_dags() -> list[str]:
    return sorted(file.stem for file in (ROOT / "dags").glob("*.py"))
