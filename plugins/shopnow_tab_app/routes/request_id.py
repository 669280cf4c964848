"""Ids of requests that write, which make them idempotent."""

import re
from datetime import UTC, datetime, timedelta

from fastapi import HTTPException
from pydantic import BaseModel, Field

from shopnow.dates import from_milliseconds

MAX_AGE = timedelta(minutes=10)

CONFLICT = "request_id was used for another request; choose a new UUIDv7"
"""Detail of the answer 409."""

_UUID7 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


class IdempotentRequest(BaseModel):
    """A request that writes."""

    request_id: str = Field(
        max_length=100,  # also makes pydantic refuse text that is not Unicode
        description="UUIDv7 chosen by the client; repeated requests with the same id take effect once",
    )


def uuid7_time(text: str) -> datetime | None:
    """Return the time in a UUIDv7; None if the text is none."""
    return from_milliseconds(int(text.replace("-", "")[:12], 16)) if _UUID7.fullmatch(text) else None


def time_of(request_id: str) -> datetime:
    """Return the time in a request's id, which repeated requests share.

    Raises:
        HTTPException: the id is not a UUIDv7, or its time differs from now by more than `MAX_AGE`.
    """
    at = uuid7_time(request_id)
    if at is None:
        raise HTTPException(422, f"request_id is {request_id!r}; expected a lowercase UUIDv7")
    now = datetime.now(UTC)
    if not now - MAX_AGE < at < now + MAX_AGE:
        raise HTTPException(
            422,
            f"the time in request_id, {at:%Y-%m-%d %H:%M:%S} UTC, is more than "
            f"{MAX_AGE.total_seconds() / 60:.0f} minutes from now; check your computer's clock",
        )
    return at
