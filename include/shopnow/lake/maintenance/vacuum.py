"""VACUUM: delete files that no table references any more, once they are older than the retention.

These are files that compaction or a rewrite removed from a table, and files that killed writers left. The
retention protects readers of older versions and writers whose files are not committed yet.
"""

from deltalake.exceptions import DeltaError

from shopnow.lake.delta import catalog
from shopnow.lake.delta.hdfs import Store
from shopnow.lake.delta.tables import Table
from shopnow.lake.lineage import lineage


def vacuum(lake: str, hours: int) -> dict[str, int]:
    """Delete unreferenced files of at least this age from every table of the lake.

    Versions that a derived table was computed from are kept, however old, as audits read them.

    Returns:
        The number of deleted files, by table; tables with none are omitted.

    Raises:
        deltalake.exceptions.DeltaError, OSError: the lake failed; the next run deletes the rest.
    """
    names = catalog.table_names(lake)
    kept_versions = _source_versions(lake, names)
    store = Store(lake)
    deleted = {
        name: _vacuum(store, Table(lake, name), hours, sorted(kept_versions.get(name, ()))) for name in names
    }
    return {name: count for name, count in deleted.items() if count}


def _vacuum(store: Store, table: Table, hours: int, keep_versions: list[int]) -> int:
    snapshot = table.open()

    def run(dry_run: bool) -> list[str]:
        # The settings enforce a minimum retention of their own; the library's is a week.
        return snapshot.vacuum(
            hours, dry_run, enforce_retention_duration=False, full=True, keep_versions=keep_versions or None
        )

    # The library also lists deleted files while the log has their removal, and would commit each time.
    present = [path for path in run(dry_run=True) if store.exists(f"{table.name}/{path}")]
    if present:
        run(dry_run=False)
    return len(present)


def _source_versions(lake: str, names: list[str]) -> dict[str, set[int]]:
    """Return the versions of each table that derived tables depend on, as latest equivalent versions."""
    versions: dict[str, set[int]] = {}
    for name in names:
        table = Table(lake, name)
        for source_name, version in lineage.sources(table, table.version()).items():
            if source_name in names:
                source = Table(lake, source_name)
                version = lineage.latest_equivalent_version(source, version, source.version())
                if _is_readable(source, version):
                    versions.setdefault(source_name, set()).add(version)
    return versions


def _is_readable(table: Table, version: int) -> bool:
    """Return whether the log still has a version; it is cleaned up after 30 days."""
    try:
        table.open(version)
    except DeltaError:
        return False
    return True
