"""Names of the tables in the lake."""

from shopnow.lake.delta.hdfs import Store

_LOG = "_delta_log"


def table_names(lake: str) -> list[str]:
    """Return the sorted names of all tables at the lake's root and one folder below it."""
    store = Store(lake)
    names = []
    for folder in store.folders(""):
        subfolders = store.folders(folder)
        if _LOG in subfolders:
            names.append(folder)
        else:
            names += [f"{folder}/{name}" for name in subfolders if _LOG in store.folders(f"{folder}/{name}")]
    return sorted(names)
