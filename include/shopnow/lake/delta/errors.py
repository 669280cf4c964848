"""Storage failures of the lake as user errors of one line."""

import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import pyarrow as pa
from deltalake.exceptions import DeltaError

from shopnow.errors import UserError

CONNECT_SECONDS = 5.0

_CAUSE_MARKUP = re.compile(r"\x1b\[\d+m↳?")  # delta-rs prints its chain of causes as a coloured tree


def storage_error(lake: str, error: object) -> UserError:
    """Return a storage error as an error for the user, with what to check."""
    return UserError(
        f"the lake at {lake} failed: {one_line(error)}; check the address, that HDFS runs and that its disks "
        "have room"
    )


def damage_error(lake: str, error: object) -> UserError:
    """Return a failure to decode a file as an error for the user, with what to do."""
    return UserError(
        f"a file of the lake at {lake} cannot be decoded: {one_line(error)}; ./shopnow verify names damaged "
        "files, ./shopnow repair restores them"
    )


def one_line(error: object) -> str:
    """Return an error's message in one line of at most 300 characters; its class if it has no message."""
    reason = " ".join(_CAUSE_MARKUP.sub("", str(error)).split())
    return reason[:300] or type(error).__name__


@contextmanager
def as_user_errors(lake: str) -> Iterator[None]:
    """Raise storage errors of the block as `storage_error`."""
    try:
        yield
    except pa.ArrowException as error:
        raise damage_error(lake, error) from error
    except (OSError, DeltaError) as error:
        raise storage_error(lake, error) from error


def check_reachable(lake: str) -> None:
    """Check that a server listens at the lake's address; the HDFS client itself would retry for minutes.

    Raises:
        UserError: the connection is refused or times out.
    """
    address = urlsplit(lake)
    if address.scheme == "hdfs" and address.hostname:
        try:
            socket.create_connection((address.hostname, address.port or 8020), CONNECT_SECONDS).close()
        except OSError as error:
            raise storage_error(lake, error) from None
