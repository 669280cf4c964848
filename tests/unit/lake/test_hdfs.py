import re

import pytest

from shopnow.lake.delta.hdfs import _rpc_errors

FULL = (
    'RPCError("java.io.IOException", "File /shopnow/raw/views/part-1 could only be written to 0 of the 1 '
    "minReplication nodes.\\n\\tat org.apache.hadoop.hdfs.server.blockmanagement.BlockManager."
    'chooseTarget4NewBlock(BlockManager.java:2487)\\n")'
)


@pytest.mark.parametrize(
    ("raised", "message"),
    [
        (FULL, "File /shopnow/raw/views/part-1 could only be written to 0 of the 1 minReplication nodes."),
        ('RPCError("java.io.IOException", "no")', "no"),
        ("something else", "something else"),
    ],
)
def test_a_rejection_has_the_message_of_the_namenode(raised: str, message: str) -> None:
    with pytest.raises(OSError, match=f"^{re.escape(message)}$"), _rpc_errors():
        raise RuntimeError(raised)
