"""Commits are read strictly, and any text that a commit may hold is no damage."""

import uuid

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from shopnow.lake.delta import log, log_integrity

SEPARATORS = "\u2028\u2029\x85\x0b\x0c\x1c\x1d\x1e"
"""Characters besides line feed and carriage return at which `str.splitlines` splits."""


def test_line_separators_in_statistics_are_no_damage(tmp_path):
    write_deltalake(tmp_path, pa.table({"name": [f"{SEPARATORS}name"]}))
    assert log_integrity.read("events/orders", str(tmp_path)).damages == []


@pytest.mark.parametrize("content", [b"", b"{}", b'{"add": {}}', b'{"add": {"path": "a', b"\xff", b"[1]"])
def test_other_content_is_damage(tmp_path, content):
    write_deltalake(tmp_path, pa.table({"name": [str(uuid.uuid4())]}))
    write_deltalake(tmp_path, pa.table({"name": [str(uuid.uuid4())]}), mode="append")
    version = DeltaTable(tmp_path).version()
    (tmp_path / "_delta_log" / log.file_name(version)).write_bytes(content)
    files = log_integrity.read("events/orders", str(tmp_path))
    assert files.damaged_commits == [version]
    [damage] = files.damages
    assert "cannot be read" in damage.problem
