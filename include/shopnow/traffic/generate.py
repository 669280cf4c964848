"""A run of the simulated shop, sent to Kafka exactly once.

One Kafka transaction holds the events of some sessions, their ledger rows and the shop's state. Calling
`generate` again with the same run id resumes a killed run after its last committed transaction; a finished
run is not repeated. There is only one shop: a generator that starts while another one runs fences it, and the
other stops with a clear error.
"""

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from shopnow.broker import topic_state
from shopnow.broker.client import Conf
from shopnow.broker.topics import DELIVERY_NOTES, LEDGER, SHOP_STATE
from shopnow.errors import UserError
from shopnow.events import TOPICS
from shopnow.failpoints import failpoint
from shopnow.gc_pause import gc_paused
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
"""Failpoints after each step of a transaction, and after its commit."""

SESSIONS_PER_TRANSACTION = 4_000
_REAL_TIME_INTERVAL_SECONDS = 1.0
"""Pause between the transactions of a real-time run."""

Progress = Callable[[int, int], None]
"""Called after each transaction with the number of sessions done and the total."""


class Summary(NamedTuple):
    """Result of a run over all its attempts."""

    run_id: str
    sessions: int
    events: dict[str, int]
    """Records sent, by topic."""
    faults: dict[str, int]
    """Records with an injected fault, by fault."""
    start: datetime
    end: datetime
    already_done: bool
    """Whether the run was finished before this call, which then sent nothing."""


def generate(
    conf: Conf,
    run_id: str,
    sessions: int | None = None,
    seed: int = 0,
    *,
    sessions_per_transaction: int = SESSIONS_PER_TRANSACTION,
    progress: Progress | None = None,
    **options: Any,
) -> Summary:
    """Simulate shoppers and send their events to Kafka.

    Without a period the sessions are spread over the last 24 hours, or over the time since the shop's last
    run if that is shorter. Events of orders after the end of the period (deliveries, refunds), and records
    held back beyond it, are sent by later runs.

    Args:
        conf: Kafka client configuration with at least `bootstrap.servers`.
        run_id: identifies the run across attempts, 1 to 250 characters.
        sessions: number of sessions to simulate.
        seed: seed of the random numbers.
        sessions_per_transaction: maximum number of sessions in one Kafka transaction.
        progress: called after each transaction.
        options: further fields of `shopnow.traffic.run_config.RunConfig`, with `start` and `end` as
            datetimes.

    Raises:
        UserError: a parameter is invalid or differs from the run's first attempt, a topic does not exist,
            Kafka does not respond, or another generator has taken over.
        KafkaException: Kafka failed during the run. Calling again with the same run id resumes after the last
            commit.
    """
    if not isinstance(run_id, str) or not 1 <= len(run_id) <= 250:
        raise UserError(f"run_id {run_id!r} is invalid: give a text of 1 to 250 characters")
    config = run_config.validate(sessions=sessions, seed=seed, **options)
    topic_ids = {
        name: state.topic_id
        for name, state in topic_state.describe(conf, [*TOPICS, LEDGER, SHOP_STATE]).items()
    }
    producer = TransactionalProducer(conf)
    # The producer has fenced all earlier generators, so the state read from here on is final.
    state = load_state(conf)
    run = begin_run(state, run_id, config)
    already_done = run.finished
    # The collector costs a sixth of the time and finds no reference cycles here.
    with gc_paused():
        for chunk in remaining_chunks(state, run, sessions_per_transaction):
            with producer.transaction():
                send_chunk(producer, chunk, run_id, topic_ids)
            failpoint("traffic:committed")
            log.info(
                "%d of %d sessions, %d records", run.done, run.sessions, sum(run.totals.records.values())
            )
            if progress:
                progress(run.done, run.sessions)
    for topic in producer.wait_until_visible():
        log.warning("%s: the run's records are committed, but held back by another open transaction", topic)
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
    """Load the shop's state as of the last committed transaction.

    Raises:
        UserError: another version wrote the state, the topic does not exist, or Kafka does not respond.
    """
    return from_records(state_reader.read(conf, SHOP_STATE))


def fence(conf: Conf) -> dict[str, int]:
    """End the runs that are going on, which can be resumed; returns the end offsets of the topics of runs.

    Returns:
        The last stable offset of each single-partition topic that only runs write to, by topic id.

    Raises:
        UserError: a topic does not exist, or Kafka does not respond.
    """
    names = [LEDGER, SHOP_STATE, DELIVERY_NOTES]
    states = topic_state.describe(conf, names)
    # Fencing takes seconds on a new Kafka, where nothing has run yet.
    if any(state.end_offsets[0] for state in states.values()):
        TransactionalProducer(conf)
        states = topic_state.describe(conf, names)
    return {state.topic_id: state.end_offsets[0] for state in states.values()}


def begin_run(state: State, run_id: str, config: RunConfig) -> Run:
    """Return the run of that id: resumed if it exists, else new.

    Raises:
        UserError: the run began with another configuration, or would start before the shop's clock.
    """
    run = state.runs.get(run_id)
    if run:
        if run.config != config:
            raise UserError(
                f"run {run_id} began with {_describe(run.config)}: "
                "give the same parameters, or another run_id"
            )
        return run
    start, end = run_config.resolve_period(config, state.shop.clock if state.shop else None, _now())
    sessions = config.sessions or LIGHT_SESSIONS
    if config.sessions_per_day:
        arrivals = Arrivals(scenarios.phases(scenarios.scenario(config.scenario), start, end))
        sessions = max(round(config.sessions_per_day * arrivals.normal_days), 1)
        if sessions > LIMITS["sessions"].maximum:
            raise UserError(
                f"sessions_per_day {config.sessions_per_day} makes {sessions} sessions in this period, "
                f"more than the maximum of {LIMITS['sessions'].maximum}: give fewer, or a shorter period"
            )
    return Run(run_id, config, sessions, start, end)


def remaining_chunks(state: State, run: Run, sessions: int) -> Iterator[Chunk]:
    """Simulate the rest of the run; a real-time run yields each chunk when it is due."""
    simulation = Simulation(state, run)
    while not run.finished:
        if run.config.pace != REAL_TIME:
            yield simulation.advance(sessions)
            continue
        yield simulation.advance(sessions, until=_now())
        if not run.finished:
            time.sleep(_REAL_TIME_INTERVAL_SECONDS)


def send_chunk(
    producer: TransactionalProducer, chunk: Chunk, run_id: str, topic_ids: Mapping[str, str]
) -> None:
    """Send a chunk's records, ledger rows and state inside an open transaction."""
    failpoint("traffic:begun")
    batch = chunk.batch
    positions = producer.send_all(batch.topics, batch.keys, batch.values)
    failpoint("traffic:sent")
    producer.wait_for_acks()
    failpoint("traffic:acknowledged")
    for table in (
        ledger.build_rows(run_id, topic_ids, batch.rows, *positions),
        ledger.build_demand_rows(run_id, chunk.demand),
    ):
        for value in ledger.encode(table):
            producer.send(LEDGER, run_id.encode(), value)
    failpoint("traffic:ledger")
    for state_key, state_value in chunk.state:
        producer.send(SHOP_STATE, state_key, state_value)
    failpoint("traffic:state")


def _describe(config: RunConfig) -> str:
    times = {name: to_datetime(at).isoformat() for name in ("start", "end") if (at := getattr(config, name))}
    faults = msgspec.structs.asdict(config.faults)
    values = {**msgspec.structs.asdict(config), **times, **faults, "faults": None}
    return ", ".join(f"{name} {value}" for name, value in values.items() if value)


def _now() -> int:
    return round(time.time() * 1000)
