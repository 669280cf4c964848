"""Events of a simulated shop: coherent traffic in the order in which it is sent."""

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


def make_run(
    run_id: str = "run", sessions: int = 300, start: int = NEW_YEAR, days: float = 1, **config: Any
) -> Run:
    """Return a run of the generator; `config` overrides fields of its `RunConfig`."""
    run_config = RunConfig(sessions=sessions, **{"seed": 1, **config})
    return Run(run_id, run_config, sessions, start, start + int(days * DAY))


def chunks(run: Run, state: State | None = None, per_chunk: int = 1000) -> list[Chunk]:
    return list(simulate(State() if state is None else state, run, per_chunk))


def decoded(chunks: Iterable[Chunk]) -> list[Event]:
    """Decode the records of the chunks in order; an invalid record is an error."""
    return [
        _DECODERS[topic].decode(value)
        for chunk in chunks
        for topic, value in zip(chunk.batch.topics, chunk.batch.values, strict=True)
    ]


def events(run: Run, state: State | None = None, per_chunk: int = 1000) -> list[Event]:
    return decoded(chunks(run, state, per_chunk))


def split(events: Sequence[Event], count: int, random: Random) -> list[Sequence[Event]]:
    """Cut the events at random into `count` consecutive parts."""
    cuts = [0, *sorted(random.sample(range(1, len(events)), count - 1)), len(events)]
    return [events[start:end] for start, end in pairwise(cuts)]


def shuffle(events: Sequence[Event], random: Random) -> list[Event]:
    """Shuffle the events, but keep the order of a product's stock events with the same time.

    Only their order in the topic says which quantity is the latest.
    """
    order = random.sample(events, len(events))
    simultaneous: dict[tuple, list[Event]] = {}
    for event in events:
        if isinstance(event, Stock):
            simultaneous.setdefault((event.product_id, event.event_time), []).append(event)
    return [
        simultaneous[event.product_id, event.event_time].pop(0) if isinstance(event, Stock) else event
        for event in order
    ]
