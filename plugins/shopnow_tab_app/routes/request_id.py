"""The id a page gives each request that changes something: what is asked for twice under one id is done once."""

import re
from datetime import UTC, datetime, timedelta

from fastapi import HTTPException
from pydantic import BaseModel, Field

AGE = timedelta(minutes=10)

_UUID7 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


class Once(BaseModel):
    """A request that changes something."""

    request_id: str = Field(
        description="UUIDv7 of the page's own: what is asked for twice under one is done once"
    )


def time_of(request_id: str) -> datetime:
    """The time in a request's id: the same however often it is asked."""
    if not _UUID7.fullmatch(request_id):
        raise HTTPException(422, "request_id is no UUIDv7")
    at = datetime.fromtimestamp(int(request_id.replace("-", "")[:12], 16) / 1000, UTC)
    now = datetime.now(UTC)
    if not now - AGE < at < now + AGE:
        raise HTTPException(422, "request_id is not of now: is the clock of your computer right?")
    return at
