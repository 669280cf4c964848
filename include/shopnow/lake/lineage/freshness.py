"""Whether the lake's events hold all that came to Kafka before some moment."""

from datetime import datetime

from shopnow.broker import topics
from shopnow.broker.client import Conf
from shopnow.broker.topics import TopicState
from shopnow.events import TOPICS
from shopnow.lake.delta import tables
from shopnow.lake.delta.tables import Table
from shopnow.lake.ingest import offsets
from shopnow.lake.lineage import lineage


def lagging_topics(conf: Conf, lake: str, moment: datetime) -> list[str]:
    """The topics with records from before the moment that `events/{topic}` was not made from yet.

    Raises:
        UserError: a topic is missing, or Kafka does not answer.
    """
    # The lake is looked at first, so that what comes meanwhile is not taken for what it lacks.
    read = {name: _made_from(lake, name) for name in TOPICS}
    states = topics.describe(conf, TOPICS)
    return [
        name
        for name, state in states.items()
        if _lacks(read[name], state, topics.offsets_since(conf, name, moment))
    ]


def _lacks(raw: tables.DeltaTable | None, state: TopicState, since: dict[int, tuple[int, int]]) -> bool:
    """Whether a raw table, as far as events were made from it, ends before what came since."""
    for partition, (earliest, _) in state.partitions.items():
        position = (
            None if raw is None else offsets.position(raw, offsets.current_id(raw, state.topic_id), partition)
        )
        if (earliest if position is None else position) < since[partition][0]:
            return True
    return False


def _made_from(lake: str, topic: str) -> tables.DeltaTable | None:
    """`raw/{topic}` as it stood when its events were made from it; None if none were."""
    name = f"events/{topic}"
    if not Table(lake, name).exists():
        return None
    version = lineage.sources(Table(lake, name), Table(lake, name).version()).get(f"raw/{topic}")
    return None if version is None else Table(lake, f"raw/{topic}").open(version)
