"""A run of the simulated shop, sent to Kafka exactly once.

The events of some sessions, the ledger rows that say where they went, and what the shop has to remember are written in
one Kafka transaction: all of it is there or nothing is. A run that was killed is taken up again after its last committed
transaction, by calling `generate` with the same run id; one that is done is not done again. There is one shop, so a
generator started while another is at work takes over, and the other stops with a clear error.
"""

import gc
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from shopnow.broker import topics
from shopnow.broker.client import Conf
from shopnow.broker.topics import LEDGER, SHOP_STATE
from shopnow.errors import UserError
from shopnow.events import TOPICS
from shopnow.failpoints import failpoint
from shopnow.traffic import ledger, run_config, scenarios, state_reader
from shopnow.traffic.arrivals import Arrivals
from shopnow.traffic.event_buffer import to_datetime
from shopnow.traffic.producer import TransactionalProducer
from shopnow.traffic.run_config import LIGHT_SESSIONS, LIMITS, REAL_TIME, RunConfig
from shopnow.traffic.simulation import Chunk, Simulation
from shopnow.traffic.state import Run, State, from_records

log = logging.getLogger(__name__)

FAILPOINTS = (
    "traffic:begun",
    "traffic:sent",
    "traffic:acknowledged",
    "traffic:ledger",
    "traffic:state",
    "traffic:committed",
)
"""Where `shopnow.failpoints` can end the process: after each step of a transaction, and after its commit."""

SESSIONS_PER_TRANSACTION = 4_000
_PACE_SECONDS = 1.0
"""In real time there is a transaction this often."""

Progress = Callable[[int, int], None]
"""Called after each transaction with the sessions done and the sessions asked for."""


class Summary(NamedTuple):
    """What a run did, over all its attempts."""

    run_id: str
    sessions: int
    events: dict[str, int]
    """How many records it sent, by topic."""
    faults: dict[str, int]
    """How many of them something is wrong with on purpose, by what."""
    start: datetime
    end: datetime
    already_done: bool
    """Whether it had been done before this call, which then sent nothing."""


def generate(
    conf: Conf,
    run_id: str,
    sessions: int | None = None,
    seed: int = 0,
    *,
    sessions_per_transaction: int = SESSIONS_PER_TRANSACTION,
    progress: Progress | None = None,
    **more: Any,
) -> Summary:
    """Simulate shoppers in the shop, and send what happens to Kafka.

    `conf` is the Kafka client's configuration, with at least `bootstrap.servers`. What else can be asked for is in
    `shopnow.traffic.run_config.RunConfig`, with `start` and `end` as datetimes. Without a period the sessions are spread over the last
    24 hours, or over the time since the shop's last run if that is shorter. What happens to an order after the end
    (deliveries, refunds), and records held back beyond it, are left to the runs to come.

    Raises:
        UserError: a parameter is out of range or not what the run began with, a topic is missing, Kafka cannot be
            reached, or another generator has taken over.
        KafkaException: Kafka failed on the way. Calling again with the same run id goes on from the last commit.
    """
    if not isinstance(run_id, str) or not 1 <= len(run_id) <= 250:
        raise UserError(f"run_id {run_id!r}: give a text of 1 to 250 characters")
    asked = run_config.validate(sessions=sessions, seed=seed, **more)
    topic_ids = {
        name: state.topic_id for name, state in topics.describe(conf, [*TOPICS, LEDGER, SHOP_STATE]).items()
    }
    producer = TransactionalProducer(conf)
    # From here on no earlier generator can commit anything, so the state that is read is the last word.
    state = load_state(conf)
    run = begin_run(state, run_id, asked)
    already_done = run.finished
    with _without_collecting_garbage():
        for chunk in remaining_chunks(state, run, sessions_per_transaction):
            with producer.transaction():
                send_chunk(producer, chunk, run_id, topic_ids)
            failpoint("traffic:committed")
            log.info(
                "%d of %d sessions, %d records", run.done, run.sessions, sum(run.totals.records.values())
            )
            if progress:
                progress(run.done, run.sessions)
    producer.wait_until_visible()
    totals = run.totals
    return Summary(
        run_id,
        run.sessions,
        totals.records,
        totals.faults,
        to_datetime(run.start),
        to_datetime(run.end),
        already_done,
    )


def load_state(conf: Conf) -> State:
    """What the shop remembers, as of the last committed transaction.

    Raises:
        UserError: another version of the generator wrote it, the topic is missing, or Kafka does not answer.
    """
    return from_records(state_reader.read(conf, SHOP_STATE))


def begin_run(state: State, run_id: str, asked: RunConfig) -> Run:
    """The run of that id: new, or as far as it got before.

    Raises:
        UserError: it began with something else asked for, or is to start before the shop's last run ended.
    """
    run = state.runs.get(run_id)
    if run:
        if run.asked != asked:
            raise UserError(
                f"run {run_id} began with {_in_words(run.asked)}: give the same, or another run_id"
            )
        return run
    start, end = run_config.resolve_period(asked, state.shop.clock if state.shop else None, _now())
    sessions = asked.sessions or LIGHT_SESSIONS
    if asked.sessions_per_day:
        shape = Arrivals(scenarios.phases(scenarios.scenario(asked.scenario), start, end))
        sessions = max(round(asked.sessions_per_day * shape.normal_days), 1)
        if sessions > LIMITS["sessions"].most:
            raise UserError(
                f"sessions_per_day {asked.sessions_per_day}: that makes {sessions} sessions; {LIMITS['sessions'].most} are the most"
            )
    return Run(run_id, asked, sessions, start, end)


def remaining_chunks(state: State, run: Run, sessions: int) -> Iterator[Chunk]:
    """The rest of the run; in real time each chunk when it is due."""
    simulation = Simulation(state, run)
    while not run.finished:
        if run.asked.pace != REAL_TIME:
            yield simulation.advance(sessions)
            continue
        yield simulation.advance(sessions, until=_now())
        if not run.finished:
            time.sleep(_PACE_SECONDS)


def send_chunk(
    producer: TransactionalProducer, chunk: Chunk, run_id: str, topic_ids: Mapping[str, str]
) -> None:
    """The chunk, inside a transaction."""
    failpoint("traffic:begun")
    batch = chunk.batch
    places = producer.send_all(batch.topics, batch.keys, batch.values)
    failpoint("traffic:sent")
    producer.acknowledged()
    failpoint("traffic:acknowledged")
    for table in (
        ledger.build_rows(run_id, topic_ids, batch.told, *places),
        ledger.build_demand_rows(run_id, chunk.demand),
    ):
        for value in ledger.encode(table):
            producer.send(LEDGER, run_id.encode(), value)
    failpoint("traffic:ledger")
    for state_key, state_value in chunk.state:
        producer.send(SHOP_STATE, state_key, state_value)
    failpoint("traffic:state")


@contextmanager
def _without_collecting_garbage() -> Iterator[None]:
    """What is made here holds no cycles, and looking for some costs a sixth of the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _in_words(asked: RunConfig) -> str:
    times = {name: to_datetime(at).isoformat() for name in ("start", "end") if (at := getattr(asked, name))}
    given = {**msgspec.structs.asdict(asked), **times, **msgspec.structs.asdict(asked.faults), "faults": None}
    return ", ".join(f"{name} {value}" for name, value in given.items() if value)


def _now() -> int:
    return round(time.time() * 1000)
