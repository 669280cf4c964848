"""Which tables the lake holds."""

from shopnow.lake.delta.hdfs import Store


def table_names(lake: str) -> list[str]:
    """The names of all tables, in order: those at the lake's root and those one folder below it."""
    store = Store(lake)
    found = []
    for folder in store.folders(""):
        below = store.folders(folder)
        found += (
            [folder]
            if _LOG in below
            else [f"{folder}/{name}" for name in below if _LOG in store.folders(f"{folder}/{name}")]
        )
    return sorted(found)


_LOG = "_delta_log"
