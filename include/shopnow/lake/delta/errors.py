"""Failures of the lake, as one line a person can act on."""

import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from deltalake.exceptions import DeltaError

from shopnow.errors import UserError

CONNECT_SECONDS = 5.0

_TREE = re.compile(r"\x1b\[\d+m↳?")  # delta-rs draws its chain of causes, in colour


def failure(lake: str, error: object) -> UserError:
    """What to tell the user about an error of the storage."""
    reason = " ".join(_TREE.sub("", str(error)).split())
    return UserError(
        f"the lake at {lake} failed: {reason[:300]}; check the address, that HDFS runs and that its disks have room"
    )


@contextmanager
def as_user_errors(lake: str) -> Iterator[None]:
    """Raises errors of the storage as `failure`."""
    try:
        yield
    except (OSError, DeltaError) as error:
        raise failure(lake, error) from error


def check_answers(lake: str) -> None:
    """Returns if someone listens at the lake's address: the HDFS client itself would try for minutes.

    Raises:
        UserError: no one does.
    """
    address = urlsplit(lake)
    if address.scheme == "hdfs" and address.hostname:
        try:
            socket.create_connection((address.hostname, address.port or 8020), CONNECT_SECONDS).close()
        except OSError as error:
            raise failure(lake, error) from None
