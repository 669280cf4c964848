"""Answers of the API other than what was requested, as its OpenAPI describes them."""

from collections import Counter
from typing import Any

from fastapi import HTTPException, Request
from pydantic import BaseModel


class InvalidField(BaseModel):
    type: str
    loc: list[str | int]
    """Where it is: in the query, the path or the body, and its name."""
    msg: str


class Problem(BaseModel):
    """Why a request has no other answer."""

    detail: str | list[InvalidField]
    """A sentence, or the invalid fields."""


PROBLEMS: dict[int | str, dict[str, Any]] = {
    400: {"model": Problem, "description": "The body cannot be decoded"},
    401: {"model": Problem, "description": "Not logged in"},
    403: {"model": Problem, "description": "No permission, or a request that another site made"},
    413: {"model": Problem, "description": "The body is too large"},
    422: {"model": Problem, "description": "Invalid parameters or body"},
    503: {"model": Problem, "description": "A service does not answer; try again"},
}
"""Answers that every route may give."""


async def refuse_repeated_parameters(request: Request) -> None:
    """Refuse query parameters that are given more than once: all but the last would be ignored."""
    counts = Counter(name for name, _ in request.query_params.multi_items())
    if repeated := [name for name, count in counts.items() if count > 1]:
        raise HTTPException(422, f"parameter {repeated[0]!r} is given more than once")
