"""The newest events of the topics, as the pages show them."""

from pydantic import BaseModel

from shopnow_tab_app.pages.response import Missing
from shopnow_tab_app.sources.topic_tail import Event, TopicTail


class Activity(BaseModel):
    """The newest events of the topics, newest first."""

    events: list[Event]
    missing: list[Missing]


def build(tail: TopicTail, limit: int) -> Activity:
    events, error = tail.newest(limit), tail.error
    missing = [Missing(what="kafka", why=error, as_of=tail.as_of)] if error else []
    return Activity(events=events, missing=missing)
