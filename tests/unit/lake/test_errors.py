"""Errors for the user when the lake does not respond."""

import socket

import pytest

from shopnow.errors import UserError
from shopnow.lake.delta import errors


def test_a_storage_error_is_one_line_with_the_lakes_address():
    expected = r"the lake at hdfs://n:1/x failed: Generic error\. caused by: gone;"
    with pytest.raises(UserError, match=expected) as raised, errors.as_user_errors("hdfs://n:1/x"):
        raise OSError("Generic error.\n\x1b[31m↳ caused by: gone")
    assert "\n" not in str(raised.value)


def test_an_unreachable_lake_is_an_error():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        lake = f"hdfs://127.0.0.1:{free.getsockname()[1]}/shopnow"
        with pytest.raises(UserError, match="Connection refused"):
            errors.check_reachable(lake)


def test_a_reachable_or_local_lake_is_no_error():
    with socket.create_server(("127.0.0.1", 0)) as server:
        errors.check_reachable(f"hdfs://127.0.0.1:{server.getsockname()[1]}/shopnow")
    errors.check_reachable("file:///tmp/lake")
