"""VACUUM: files that no table holds any more are removed for good, once they are old enough.

Those are the files that compaction and other rewriting took out of a table, and those that killed writers left behind. The
retention is what protects a reader of an older version and a writer whose files are not committed yet.
"""

from deltalake.exceptions import DeltaError

from shopnow.lake.delta import catalog
from shopnow.lake.delta.hdfs import Store
from shopnow.lake.delta.tables import Table
from shopnow.lake.lineage import lineage


def vacuum(lake: str, hours: int) -> dict[str, int]:
    """Remove such files of this age or more from every table of the lake.

    A version that a derived table was made from stays as it is, however old: audits read it.

    Returns:
        How many files were removed, by table; tables with none are left out.

    Raises:
        deltalake.exceptions.DeltaError, OSError: the lake failed; what was removed stays so, the next run does the rest.
    """
    names = catalog.table_names(lake)
    keep = _needed(lake, names)
    store = Store(lake)
    removed = {name: _vacuum(store, Table(lake, name), hours, sorted(keep.get(name, ()))) for name in names}
    return {name: count for name, count in removed.items() if count}


def _vacuum(store: Store, table: Table, hours: int, keep_versions: list[int]) -> int:
    snapshot = table.open()

    def run(dry_run: bool) -> list[str]:
        # Settings have their own least retention; the library's is a week.
        return snapshot.vacuum(
            hours, dry_run, enforce_retention_duration=False, full=True, keep_versions=keep_versions or None
        )

    # The library lists a file for as long as the log tells that it was removed, gone or not, and commits to that each time.
    there = [path for path in run(dry_run=True) if store.exists(f"{table.name}/{path}")]
    if there:
        run(dry_run=False)
    return len(there)


def _needed(lake: str, names: list[str]) -> dict[str, set[int]]:
    """The versions of each table that others were made from, as settled by now."""
    needed: dict[str, set[int]] = {}
    for name in names:
        table = Table(lake, name)
        for source_name, version in lineage.sources(table, table.version()).items():
            if source_name in names:
                source = Table(lake, source_name)
                version = lineage.latest_equivalent_version(source, version, source.version())
                if _is_readable(source, version):
                    needed.setdefault(source_name, set()).add(version)
    return needed


def _is_readable(table: Table, version: int) -> bool:
    """Whether the log still tells what a version was made of; it is cleaned up after 30 days."""
    try:
        table.open(version)
    except DeltaError:
        return False
    return True
