"""Answers of the API other than what was requested, as its OpenAPI describes them."""

from typing import Any

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
