"""Land the topics that have few new records, all in one process; a backlog is left to tasks of its own.

A task costs seconds and a few records cost milliseconds, most of them waiting for Kafka and HDFS.
"""

from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from shopnow.broker.client import Conf
from shopnow.events import TOPICS
from shopnow.lake.ingest import lag, landing
from shopnow.lake.ingest.data_loss import Acknowledgement, Loss, UnacknowledgedLoss
from shopnow.lake.ingest.landing import LandingResult

MAX_RECORDS = 50_000
"""Number of offsets of a topic from which on it is a backlog; a task lands these in less than a second."""


@dataclass(frozen=True)
class SmallLanding:
    landed: Mapping[str, int]
    """Number of rows landed, by topic."""
    backlogs: list[str]
    """Topics left to tasks of their own: those with more records than one task should land, and with them
    those that could not be landed."""


def land(conf: Conf, lake: str, acknowledgements: Mapping[str, Acknowledgement]) -> SmallLanding:
    """Land every topic that has new records but no backlog, all at a time.

    If others have a backlog, a topic that cannot be landed is left to a task of its own like these.

    Args:
        acknowledgements: of losses, by topic.

    Raises:
        UserError: a topic could not be landed, although the others were.
        UnacknowledgedLoss: the same, and all that could not be landed have lost records.
    """
    offsets: Counter[str] = Counter()
    for position in lag.positions(conf, lake):
        # A topic that was truncated has no lag, and landing must find out.
        offsets[position.topic] += position.lag if position.is_landed else max(position.lag, 1)
    backlogs = [topic for topic, count in offsets.items() if count > MAX_RECORDS]
    small = sorted(topic for topic, count in offsets.items() if 0 < count <= MAX_RECORDS)
    landed: dict[str, int] = {}
    losses: list[Loss] = []
    failures: list[Exception] = []
    failed: list[str] = []

    def land_topic(topic: str) -> LandingResult:
        return landing.land(conf, lake, TOPICS[topic], acknowledgement=acknowledgements.get(topic))

    with ThreadPoolExecutor(max(len(small), 1)) as pool:
        for topic, future in [(topic, pool.submit(land_topic, topic)) for topic in small]:
            try:
                landed[topic] = future.result().rows
            except UnacknowledgedLoss as error:
                losses += error.losses
                failed.append(topic)
            except Exception as error:  # the other topics must land
                failures.append(error)
                failed.append(topic)
    if failures and not backlogs:  # before losses, which a retry cannot mend
        raise failures[0]
    if losses and not backlogs:
        raise UnacknowledgedLoss(losses)
    return SmallLanding(landed, sorted([*backlogs, *failed] if backlogs else []))
