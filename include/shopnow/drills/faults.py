"""The faults of drills: how each is injected, what undoes it, and what shows that it is survived."""

import uuid
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from shopnow.broker.client import Conf
from shopnow.drills import file_damage, journal
from shopnow.drills.file_damage import Files
from shopnow.drills.journal import Undo
from shopnow.errors import UserError
from shopnow.lake.delta import file_swap
from shopnow.lake.delta.tables import Table
from shopnow.lake.maintenance.repair import BEYOND, repair
from shopnow.local_stack import service_signals
from shopnow.settings import Settings

TABLE = "raw/orders"
"""The table whose file is damaged; Kafka has its records."""


class Target(NamedTuple):
    """The stack that is broken."""

    settings: Settings
    conf: Conf
    lake: str
    send_traffic: Callable[[Mapping[str, Any]], None]
    """Runs `generate_traffic` with these params to its end."""


Step = Callable[[Target], object]


class Fault(NamedTuple):
    title: str
    watch: str
    """What to watch while it lasts."""
    stays: str
    """What of it stays after the drill."""
    traffic: Mapping[str, Any]
    """Params of the run of `generate_traffic` during the fault."""
    plan: Callable[[Target], tuple[Undo, ...]] = lambda target: ()
    """Prepares the way back; changes nothing in the stack."""
    inject: Step = lambda target: None
    recover: Step = lambda target: None
    """What an operator does about it; most faults need nobody."""
    hold_seconds: float = 0
    """How long the fault lasts before it is undone."""


def killed(name: str, title: str, watch: str) -> Fault:
    """A service is killed, and restarted by supervisord."""
    return Fault(
        title,
        watch,
        "nothing but the traffic of the drill",
        {"sessions": 100},
        lambda target: (Undo("start", name),),
        lambda target: service_signals.kill(target.settings, name),
    )


def frozen(name: str, title: str, watch: str, seconds: float) -> Fault:
    """A service answers nothing for some seconds."""
    return Fault(
        title,
        watch,
        "nothing but the traffic of the drill",
        {"sessions": 100},
        lambda target: (Undo("thaw", name),),
        lambda target: service_signals.freeze(target.settings, name),
        hold_seconds=seconds,
    )


def _newest_file(target: Target) -> str:
    snapshot = Table(target.lake, TABLE).open_if_exists()
    files = [] if snapshot is None else file_swap.data_files(snapshot)
    if not files:
        raise UserError(f"{TABLE} has no file yet: run ./shopnow demo first")
    return f"{TABLE}/{max(files, key=lambda file: (file.partition['ingest_date'] or '', file.rows)).path}"


def _plan_damage(target: Target) -> tuple[Undo, ...]:
    path = _newest_file(target)
    backup = journal.folder(target.settings) / f"{uuid.uuid4()}.parquet"
    backup.parent.mkdir(parents=True, exist_ok=True)
    backup.write_bytes(Files(target.lake).read(path))
    return (Undo("write_back", path, str(backup)),)


def _damage(target: Target) -> None:
    entry = journal.read(target.settings)
    if entry is None:
        raise UserError("a file is damaged only with its backup in the journal")
    file_damage.flip(Files(target.lake), entry.undo[0].subject)


def _repair(target: Target) -> None:
    outcomes = repair(target.conf, target.lake, TABLE)
    if not outcomes:
        raise UserError(f"the damage of {TABLE} was not found, although one of its files has another bit")
    if beyond := [outcome for outcome in outcomes if outcome.outcome == BEYOND]:
        raise UserError(f"{beyond[0].table}: {beyond[0].detail}")


FAULTS: Mapping[str, Fault] = {
    "broker-killed": killed(
        "kafka",
        "the Kafka broker is killed, and the shop goes on sending",
        "the lag is unknown until supervisord has restarted the broker; the producer repeats its transaction",
    ),
    "namenode-killed": killed(
        "namenode",
        "the NameNode is killed",
        "landing waits for HDFS, and lands once it has left safe mode",
    ),
    "datanode-frozen": frozen(
        "datanode",
        "a DataNode answers nothing for twenty seconds",
        "writes go on with the other DataNode",
        20,
    ),
    "engine-frozen": frozen(
        "sail",
        "Sail, the engine of small changes, answers nothing for twenty seconds",
        "compute_kpis goes on with spark-submit",
        20,
    ),
    "poison": Fault(
        "one record in five is malformed",
        "quarantine grows, and nothing stops; the alert many_invalid_records may fire",
        "the malformed records, in quarantine",
        {"sessions": 200, "malformed": 0.2},
    ),
    "late-flood": Fault(
        "half of the events arrive minutes to days late",
        "closed days are computed again, and the changes are in the table restatements",
        "the events, some of which later runs send",
        {"sessions": 200, "late": 0.5},
    ),
    "payment-outage": Fault(
        "nearly all card and PayPal payments fail",
        "the alert payment_failures fires, and is resolved by the payments of later traffic",
        "the failed payments",
        {"sessions": 300, "scenario": "payment_outage"},
    ),
    "damaged-file": Fault(
        "a disk flips one bit of a data file of raw/orders",
        "the file is found by its checksum and landed again from Kafka",
        "nothing but the traffic of the drill",
        {"sessions": 20},
        _plan_damage,
        _damage,
        _repair,
    ),
}
