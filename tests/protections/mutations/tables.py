"""Tables of the lake: commits, files, erasure, damage and repair."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


def stale_commits_kept() -> None:
    """Files that a dead writer left in a table's log are kept."""
    from shopnow.lake.delta import stale_commits

    stale_commits.discard = lambda uri: 0


def raw_hdfs_errors() -> None:
    """A full HDFS is reported by the client's own message and stack trace."""
    from shopnow.lake.delta import errors, hdfs

    @contextmanager
    def unchanged(*_: Any) -> Iterator[None]:
        yield

    hdfs._rpc_errors = errors.as_user_errors = unchanged


def compacted_files_not_verified() -> None:
    """Compacted files are published without comparing their digest with that of the rows read."""
    from shopnow_spark import file_digest

    class EqualToEverything:
        def __ne__(self, other: object) -> bool:
            return False

    file_digest.combine = lambda digests: EqualToEverything()


def file_swap_without_conflict_check() -> None:
    """Files are replaced without a conflict check against later commits, as the library's own retry would."""
    from shopnow.lake.delta import file_swap

    def replace(table: Any, removed: Any, added: Any, *, data_change: bool, metadata: Any = None) -> None:
        table.create_write_transaction(
            [
                *added,
                *(
                    file_swap.RemoveAction(file.path, data_change, 0, file.size, dict(file.partition))
                    for file in removed
                ),
            ],
            mode="append",
            schema=table.schema(),
            partition_by=table.metadata().partition_columns,
            commit_properties=file_swap.CommitProperties(custom_metadata=dict(metadata or {})),
        )

    file_swap.replace = replace


def escaped_ids_not_erased() -> None:
    """Erasure compares bytes, so ids written with escapes stay in raw."""
    from shopnow.lake.governance import redaction

    redaction.decoded_text = lambda value: value.decode(errors="replace")


def orders_erased_by_their_id_alone() -> None:
    """Erasing a customer also erases another customer's order of the same id."""
    from shopnow.lake.governance import redaction

    redact, redact_events = redaction._redact, redaction.redact_events

    def owner(event: dict[str, Any], subject: redaction.Subject) -> str | None:
        named = event.get("customer_id")
        return subject.customer_id if named and event.get("order_id") in subject.orders else named

    def redact_by_order(payload: bytes, known_fields: Any, subject: redaction.Subject) -> bytes:
        event = json.loads(payload)
        if customer_id := owner(event, subject):
            payload = json.dumps(event | {"customer_id": customer_id}).encode()
        return redact(payload, known_fields, subject)

    def redact_events_by_order(subject: redaction.Subject) -> redaction.RowTransform:
        change = redact_events(subject)

        def change_by_order(rows: redaction.pa.Table) -> redaction.pa.Table:
            if "customer_id" not in rows.column_names:
                return change(rows)
            owners = redaction.pa.array([owner(row, subject) for row in rows.to_pylist()])
            return change(redaction._set_column(rows, "customer_id", owners))

        return change_by_order

    redaction._redact = redact_by_order
    redaction.redact_events = redact_events_by_order


def damaged_bytes_accepted() -> None:
    """Pages are read without their checksums, and files without those of an earlier audit."""
    from shopnow.lake.delta import integrity

    batches = integrity.batches
    integrity.batches = lambda data, verify=True: batches(data, verify=False)
    integrity.checksum = lambda data: ""


def damage_ends_verify() -> None:
    """What damaged bytes raise in one check ends the whole audit."""
    from shopnow.audit import verify

    def run(name: str, check: Any, evidence: Any) -> Any:
        try:
            return verify.Check(name, True, check.run(evidence))
        except verify.Difference as difference:
            return verify.Check(name, False, str(difference))
        # Rust libraries panic with an exception that is no Exception.
        except BaseException as error:
            raise AssertionError(f"{name} ended the audit: {error}") from error

    verify._run = run


def restored_rows_not_compared() -> None:
    """A damaged file is replaced whatever the digests of the restored rows are."""
    from shopnow.lake.delta.checksum import EMPTY
    from shopnow.lake.maintenance import repair_raw

    repair_raw.missing_after = lambda gap, rows: EMPTY


def commits_split_at_any_separator() -> None:
    """A commit of the log is split at every character that Unicode counts as the end of a line."""
    from shopnow.lake.delta import log_integrity

    parse = log_integrity.parse_commit
    log_integrity.parse_commit = lambda data: parse("\n".join(data.decode().splitlines()).encode())


def hidden_texts_of_headers_not_read() -> None:
    """Erasure does not look for the customer in headers that are compressed or encoded."""
    from shopnow.lake.governance import redaction

    redaction._hides = lambda values, pattern: redaction.pc.is_in(values, redaction.pa.array([], values.type))
