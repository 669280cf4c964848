import re

import pytest

from shopnow.lake.delta.hdfs import _refusals

FULL = (
    'RPCError("java.io.IOException", "File /shopnow/raw/views/part-1 could only be written to 0 of the 1 minReplication nodes.'
    '\\n\\tat org.apache.hadoop.hdfs.server.blockmanagement.BlockManager.chooseTarget4NewBlock(BlockManager.java:2487)\\n")'
)


@pytest.mark.parametrize(
    ("raised", "told"),
    [
        (FULL, "File /shopnow/raw/views/part-1 could only be written to 0 of the 1 minReplication nodes."),
        ('RPCError("java.io.IOException", "no")', "no"),
        ("something else", "something else"),
    ],
)
def test_a_refusal_is_what_the_namenode_says(raised: str, told: str) -> None:
    with pytest.raises(OSError, match=f"^{re.escape(told)}$"), _refusals():
        raise RuntimeError(raised)
