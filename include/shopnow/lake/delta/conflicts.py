"""Optimistic concurrency: classify the conflicts that delta-rs reports for a commit, and retry.

A commit is made against the snapshot that its rows were computed from. delta-rs raises `CommitFailedError`
for every conflict with a newer commit and tells the cause in the message only. No other module reads these
messages.
"""

from collections.abc import Callable, Collection
from enum import Enum
from functools import partial
from typing import NoReturn, TypeVar

from deltalake.exceptions import CommitFailedError
from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt, stop_never

Result = TypeVar("Result")


class CommitConflict(Exception):
    """A newer commit changed what this one is based on: plan the work again on the newer snapshot."""


class Conflict(Enum):
    """Cause of a `CommitFailedError`; the value is the part of delta-rs' message that identifies it."""

    SAME_APP_TRANSACTION = "Concurrent transaction failed"
    """A newer commit carries an app transaction with the same id."""
    ROWS_REMOVED = "a concurrent transaction deleted data"
    """A newer commit removed files that the snapshot holds."""
    METADATA_CHANGED = "Metadata changed since last commit"
    """A newer commit changed the table's columns."""


UNRELATED_TO_APPENDS = frozenset({Conflict.ROWS_REMOVED, Conflict.METADATA_CHANGED})
"""Conflicts after which the same rows can be appended to the newer snapshot."""


def classify(error: BaseException) -> Conflict | None:
    """Return the cause of a failed commit; None if the error is of another kind."""
    if not isinstance(error, CommitFailedError):
        return None
    return next((conflict for conflict in Conflict if conflict.value in str(error)), None)


def retry_on_conflict(
    operation: Callable[[], Result],
    *,
    on: type[Exception] | tuple[type[Exception], ...] | Collection[Conflict] = CommitConflict,
    attempts: int | None = None,
    before_retry: Callable[[], object] | None = None,
    exhausted: Exception | None = None,
) -> Result:
    """Call the operation until it succeeds, and return its result.

    There is no backoff: after a conflict another writer has made progress, so a new attempt can succeed.

    Args:
        on: exceptions, or causes of a `CommitFailedError`, after which to retry; others are raised at once.
            `CommitFailedError` itself also stands for failures that are not conflicts; they are retried too.
        attempts: maximum number of calls; unlimited by default.
        before_retry: called before each further attempt, for example to update the snapshot; what it raises
            ends the retries.
        exhausted: raised after the last attempt in place of the operation's own exception.
    """

    def is_retryable(error: BaseException) -> bool:
        if isinstance(on, type | tuple):
            return isinstance(error, on)
        return classify(error) in on

    def prepare(_: RetryCallState) -> None:
        if before_retry is not None:
            before_retry()

    retrying = Retrying(
        retry=retry_if_exception(is_retryable),
        stop=stop_never if attempts is None else stop_after_attempt(attempts),
        before_sleep=prepare,
        retry_error_callback=None if exhausted is None else partial(_raise, exhausted),
        reraise=True,
    )
    return retrying(operation)


def _raise(error: Exception, _: RetryCallState) -> NoReturn:
    raise error
