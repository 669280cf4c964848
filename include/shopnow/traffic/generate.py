"""A run of the simulated shop, sent to Kafka exactly once.

The events of some sessions, the ledger rows that say where they went, and what the shop has to remember are written in
one Kafka transaction: all of it is there or nothing is. A run that was killed is taken up again after its last committed
transaction, by calling `generate` with the same run id; one that is done is not done again. There is one shop, so a
generator started while another is at work takes over, and the other stops with a clear error.
"""

import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import NamedTuple

from shopnow.broker import topics
from shopnow.broker.client import Conf
from shopnow.broker.topics import LEDGER, SHOP_STATE
from shopnow.errors import UserError
from shopnow.events import TOPIC_OF, TOPICS, encode, key
from shopnow.killpoints import reach
from shopnow.traffic import ledger, records
from shopnow.traffic.arrivals import DAY
from shopnow.traffic.journal import moment
from shopnow.traffic.producing import TransactionalProducer
from shopnow.traffic.simulation import Chunk, simulate
from shopnow.traffic.state import Run, State, from_records

log = logging.getLogger(__name__)

KILL_POINTS = ("traffic:begun", "traffic:sent", "traffic:acknowledged", "traffic:ledger", "traffic:state", "traffic:committed")
"""Where `shopnow.killpoints` can end the process: after each step of a transaction, and after its commit."""

MAX_SESSIONS = 1_000_000
SESSIONS_PER_TRANSACTION = 2_000

Progress = Callable[[int, int], None]
"""Called after each transaction with the sessions done and the sessions asked for."""


class Summary(NamedTuple):
    """What a run did, over all its attempts."""

    run_id: str
    sessions: int
    events: dict[str, int]
    """How many, by topic."""
    start: datetime
    end: datetime
    already_done: bool
    """Whether it had been done before this call, which then sent nothing."""


def generate(
    conf: Conf,
    run_id: str,
    sessions: int,
    seed: int,
    payment_failure_rate: float = 0.1,
    *,
    start: datetime | None = None,
    end: datetime | None = None,
    sessions_per_transaction: int = SESSIONS_PER_TRANSACTION,
    progress: Progress | None = None,
) -> Summary:
    """Simulate that many sessions of shoppers between `start` and `end`, and send what happens to Kafka.

    `conf` is the Kafka client's configuration, with at least `bootstrap.servers`. Without `start` and `end` the sessions
    are spread over the last 24 hours, or over the time since the shop's last run if that is shorter. What happens to an
    order after `end` (deliveries, refunds) is left to the runs to come.

    Raises:
        UserError: a parameter is out of range or not what the run began with, a topic is missing, Kafka cannot be
            reached, or another generator has taken over.
        KafkaException: Kafka failed on the way. Calling again with the same run id goes on from the last commit.
    """
    check(run_id, sessions, seed, payment_failure_rate, start, end, sessions_per_transaction)
    topic_ids = {name: state.topic_id for name, state in topics.describe(conf, [*TOPICS, LEDGER, SHOP_STATE]).items()}
    producer = TransactionalProducer(conf)
    # From here on no earlier generator can commit anything, so the state that is read is the last word.
    state = restore(conf)
    run = begin(state, run_id, sessions, seed, payment_failure_rate, start, end)
    already_done = run.done == run.sessions
    for chunk in simulate(state, run, sessions_per_transaction):
        with producer.transaction():
            send(producer, chunk, run_id, topic_ids)
        reach("traffic:committed")
        log.info("%d of %d sessions, %d events", run.done, run.sessions, sum(run.events.values()))
        if progress:
            progress(run.done, run.sessions)
    producer.wait_until_visible()
    return Summary(run_id, run.sessions, run.events, moment(run.start), moment(run.end), already_done)


def restore(conf: Conf) -> State:
    """What the shop remembers, as of the last committed transaction."""
    return from_records(records.read(conf, SHOP_STATE))


def check(
    run_id: str,
    sessions: int,
    seed: int,
    payment_failure_rate: float,
    start: datetime | None = None,
    end: datetime | None = None,
    sessions_per_transaction: int = SESSIONS_PER_TRANSACTION,
) -> None:
    """Raises UserError, in one line, for the first parameter that is not as it should be."""
    if not isinstance(run_id, str) or not 1 <= len(run_id) <= 250:
        raise UserError(f"run_id {run_id!r}: give a text of 1 to 250 characters")
    if not _is_whole(sessions) or not 1 <= sessions <= MAX_SESSIONS:
        raise UserError(f"sessions {sessions!r}: give a whole number from 1 to {MAX_SESSIONS}")
    if not _is_whole(seed) or not 0 <= seed < 2**63:
        raise UserError(f"seed {seed!r}: give a whole number from 0 to {2**63 - 1}")
    rate = payment_failure_rate
    if isinstance(rate, bool) or not isinstance(rate, int | float) or not 0 <= rate <= 1:
        raise UserError(f"payment_failure_rate {rate!r}: give a share from 0 (none fail) to 1 (all do)")
    if not _is_whole(sessions_per_transaction) or sessions_per_transaction < 1:
        raise UserError(f"sessions_per_transaction {sessions_per_transaction!r}: give a whole number from 1")
    for name, given in (("start", start), ("end", end)):
        if given and given.tzinfo is None:
            raise UserError(f"{name} {given.isoformat()}: add its time zone, as in {given.isoformat()}+00:00")
        if given and given.timestamp() <= 0:
            raise UserError(f"{name} {given.isoformat()}: give a time after 1970")
    if start and end and start >= end:
        raise UserError(f"start {start.isoformat()}: is not before the end, {end.isoformat()}")


def begin(
    state: State, run_id: str, sessions: int, seed: int, payment_failure_rate: float, start: datetime | None, end: datetime | None
) -> Run:
    """The run of these parameters: new, or as far as it got before.

    Raises:
        UserError: it began with other parameters, or is to start before the shop's last run ended.
    """
    first, last = _milliseconds(start), _milliseconds(end)
    run = state.runs.get(run_id)
    if run:
        begun = (run.sessions, run.seed, run.payment_failure_rate, run.start, run.end)
        if begun != (sessions, seed, payment_failure_rate, first or run.start, last or run.end):
            raise UserError(
                f"run {run_id} began with sessions {run.sessions}, seed {run.seed}, payment_failure_rate {run.payment_failure_rate}, "
                f"start {moment(run.start).isoformat()}, end {moment(run.end).isoformat()}: give the same, or another run_id"
            )
        return run
    now = round(datetime.now(UTC).timestamp() * 1000)
    clock = state.shop.clock if state.shop else 0
    first = first or max(clock, (last or now) - DAY)
    last = last or max(now, first + 1000)
    if first < clock or last <= first:
        raise UserError(
            f"the shop has already lived through the time up to {moment(clock).isoformat()}: choose a start after that, or none"
        )
    return Run(run_id, sessions, seed, payment_failure_rate, first, last)


def send(producer: TransactionalProducer, chunk: Chunk, run_id: str, topic_ids: Mapping[str, str]) -> None:
    """The chunk, inside a transaction."""
    reach("traffic:begun")
    events = {encode(event): event for event in chunk.events}
    for value, event in events.items():
        producer.send(TOPIC_OF[type(event)].name, key(event), value)
    reach("traffic:sent")
    messages = producer.acknowledged()
    reach("traffic:acknowledged")
    rows = ledger.rows(run_id, topic_ids, [events[message.value()] for message in messages], messages)
    for value in ledger.encode(rows):
        producer.send(LEDGER, run_id.encode(), value)
    reach("traffic:ledger")
    for state_key, state_value in chunk.state:
        producer.send(SHOP_STATE, state_key, state_value)
    reach("traffic:state")


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _milliseconds(time: datetime | None) -> int | None:
    return None if time is None else round(time.timestamp() * 1000)
