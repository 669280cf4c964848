"""What happens in a simulated shop, as events."""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from random import Random
from typing import Any

from shopnow.events import TOPICS, Event, Stock
from shopnow.traffic.arrivals import DAY
from shopnow.traffic.run_config import RunConfig
from shopnow.traffic.simulation import Chunk, simulate
from shopnow.traffic.state import Run, State

NEW_YEAR = 1_767_225_600_000
"""2026-01-01, a Thursday, in ms."""

_DECODERS = {name: topic.decoder() for name, topic in TOPICS.items()}


def a_run(
    run_id: str = "run", sessions: int = 300, start: int = NEW_YEAR, days: float = 1, **asked: Any
) -> Run:
    return Run(
        run_id, RunConfig(sessions=sessions, **{"seed": 1, **asked}), sessions, start, start + int(days * DAY)
    )


def chunks(run: Run, state: State | None = None, per_chunk: int = 1000) -> list[Chunk]:
    return list(simulate(State() if state is None else state, run, per_chunk))


def decoded(chunks: Iterable[Chunk]) -> list[Event]:
    """What was sent, in order; all of it has to be valid."""
    return [
        _DECODERS[topic].decode(value)
        for chunk in chunks
        for topic, value in zip(chunk.batch.topics, chunk.batch.values, strict=True)
    ]


def events(run: Run, state: State | None = None, per_chunk: int = 1000) -> list[Event]:
    return decoded(chunks(run, state, per_chunk))


def in_parts(happened: Sequence[Event], count: int, random: Random) -> list[Sequence[Event]]:
    """The events in so many parts, cut at random."""
    cuts = [0, *sorted(random.sample(range(1, len(happened)), count - 1)), len(happened)]
    return [happened[start:end] for start, end in pairwise(cuts)]


def shuffled(happened: Sequence[Event], random: Random) -> list[Event]:
    """The events in another order, but for changes of a product's stock at the same moment: of these the first stays the first."""
    order = random.sample(happened, len(happened))
    at_once: dict[tuple, list[Event]] = {}
    for event in happened:
        if isinstance(event, Stock):
            at_once.setdefault((event.product_id, event.event_time), []).append(event)
    return [
        at_once[event.product_id, event.event_time].pop(0) if isinstance(event, Stock) else event
        for event in order
    ]
