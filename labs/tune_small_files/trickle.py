"""Write a table as an impatient writer does: one small file per commit."""

import pyarrow as pa
from deltalake import write_deltalake

from shopnow.cli.endpoints import endpoints
from shopnow.lake.delta.tables import Table

NAME, COMMITS = "lab/small_files", 30
"""The table, and how many commits of one row each it gets."""


def trickle(lake: str) -> None:
    schema = pa.schema([("number", pa.int64())])
    table = Table(lake, NAME).ensure(schema)
    for number in range(COMMITS):
        write_deltalake(table, pa.Table.from_pylist([{"number": number}], schema), mode="append")


if __name__ == "__main__":
    _, lake = endpoints()
    trickle(lake)
    print(f"{NAME} has {len(Table(lake, NAME).open().file_uris())} files")
