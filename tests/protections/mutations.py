"""Mutations that disable one protection each, to prove that a test detects it.

They patch the current process and are never switches in the product. Each mutation imports only the modules
that it patches, so that a process loads nothing else. Its docstring says what happens without the protection.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

MUTATIONS: dict[str, Callable[[], None]] = {}


def mutation(patch: Callable[[], None]) -> Callable[[], None]:
    """Register the function under its name."""
    MUTATIONS[patch.__name__] = patch
    return patch


@mutation
def non_transactional_producer() -> None:
    """The generator's events are visible once acknowledged, even without the ledger and the shop's state."""
    from confluent_kafka import Producer

    from shopnow.broker import transactional_producer

    class NonTransactionalProducer(Producer):
        def __init__(self, conf: dict[str, Any]) -> None:
            super().__init__(
                {name: value for name, value in conf.items() if name != "transactional.id"}
                | {"enable.idempotence": True}
            )

        def _no_op(self, *_: Any) -> None:
            pass

        init_transactions = begin_transaction = commit_transaction = abort_transaction = _no_op

    transactional_producer.Producer = NonTransactionalProducer


@mutation
def no_offsets_in_commits() -> None:
    """The commit of the rows has no app transactions with their end offsets."""
    from shopnow.lake.ingest import landing, offsets

    commit_properties = landing.CommitProperties

    def without_app_transactions(**options: Any) -> Any:
        return commit_properties(**{**options, "app_transactions": None})

    landing.CommitProperties = without_app_transactions
    offsets.is_known = lambda *_: True  # otherwise the topic would count as new


@mutation
def landed_offsets_ignored() -> None:
    """A plan starts at the earliest offset in Kafka and ignores what is landed."""
    from shopnow.lake.ingest import offsets

    offsets.position = lambda table, topic_id, partition: None


@mutation
def offsets_before_rows() -> None:
    """The offsets are committed first, the rows in a second commit."""
    from shopnow.lake.ingest import landing

    commit = landing._commit

    def commit_offsets_first(conf: Any, table: Any, topic: Any, plan: Any, ready: list, *rest: Any) -> None:
        commit(conf, table, topic, plan, [(parts, None) for parts, _ in ready], *rest)
        table.create_write_transaction(
            [action for _, action in ready if action],
            mode="append",
            schema=landing.RAW,
            partition_by=list(landing.PARTITION_BY),
        )

    landing._commit = commit_offsets_first


@mutation
def data_loss_ignored() -> None:
    """Records that Kafka no longer has are skipped: reading continues at the earliest offset it has."""
    from shopnow.broker import client, reader
    from shopnow.lake.ingest import data_loss

    consumer = client.consumer
    data_loss.find = lambda *_: []
    reader.check_position = lambda *_: None
    client.consumer = lambda conf, settings: consumer(conf, {**settings, "auto.offset.reset": "earliest"})


@mutation
def topics_identified_by_name() -> None:
    """App transactions identify a topic by its name, not by its topic id."""
    from shopnow.lake.ingest import offsets

    offsets.app_id = lambda topic_id, partition: f"by name/{partition}"


@mutation
def new_partitions_read_from_high_watermark() -> None:
    """An added partition is landed from its high watermark, not from its first offset."""
    from shopnow.broker import topics
    from shopnow.broker.topics import TopicState
    from support.kafka_topics import PARTITIONS

    describe = topics.describe

    def from_high_watermark(*args: Any) -> dict[str, TopicState]:
        states = describe(*args)
        for name, state in states.items():
            added = {
                partition: (end, end)
                for partition, (_, end) in state.partitions.items()
                if partition >= PARTITIONS
            }
            states[name] = state._replace(partitions=state.partitions | added)
        return states

    topics.describe = from_high_watermark


@mutation
def aborted_records_read() -> None:
    """Records of aborted transactions are read like committed ones."""
    from shopnow.broker import client

    consumer = client.consumer
    client.consumer = lambda conf, settings: consumer(
        conf, {**settings, "isolation.level": "read_uncommitted"}
    )


@mutation
def small_batches_deferred() -> None:
    """Fewer than ten new records are not landed until more arrive."""
    from dataclasses import replace

    from shopnow.lake.ingest import landing
    from shopnow.lake.ingest.plan import Plan

    plan_landing = landing.plan_landing

    def skip_small_plans(*args: Any) -> Plan:
        plan = plan_landing(*args)
        is_small = sum(end - start for start, end in plan.ranges.values()) < 10
        return replace(plan, ranges={}) if is_small else plan

    landing.plan_landing = skip_small_plans


@mutation
def bad_records_accepted() -> None:
    """No record is quarantined."""
    _ignore_problems(lambda problem: True)


@mutation
def incompatible_records_accepted() -> None:
    """Values of a wrong type or out of range, such as an unknown schema version, are accepted."""
    _ignore_problems(lambda problem: problem.startswith(("wrong type", "invalid value")))


def _ignore_problems(is_ignored: Callable[[str], bool]) -> None:
    from shopnow import validation
    from shopnow.lake.ingest import raw_encoding

    check_records = validation.check_records

    def lenient(*args: Any, **options: Any) -> validation.CheckResult:
        checked = check_records(*args, **options)
        if checked.problems is None:
            return checked
        return checked._replace(
            problems=[
                None if problem is not None and is_ignored(problem) else problem
                for problem in checked.problems
            ]
        )

    validation.check_records = raw_encoding.check_records = lenient


@mutation
def invalid_records_not_alerted() -> None:
    """No alert fires, whatever the share of invalid records."""
    from shopnow.alerts import invalid_records

    invalid_records.MIN_INVALID = 1 << 60


@mutation
def note_bytes_not_checked() -> None:
    """Control characters of a delivery note reach the CSV parser."""
    from shopnow.restock import delivery_note

    delivery_note._CONTROL_CHARACTER = re.compile(rb"(?!)")


@mutation
def notes_identified_by_spelling() -> None:
    """A delivery note whose number is typed in another way is another note, and its goods count twice."""
    from shopnow.traffic import dedup_keys

    dedup_keys._fold = lambda text: text


@mutation
def archive_names_not_shortened() -> None:
    """A delivery note is archived under its full name, whatever its length."""
    from shopnow.restock import inbox

    inbox.MAX_NAME_BYTES = 1 << 20


@mutation
def stale_commits_kept() -> None:
    """Files that a dead writer left in a table's log are kept."""
    from shopnow.lake.delta import stale_commits

    stale_commits.discard = lambda uri: 0


@mutation
def raw_hdfs_errors() -> None:
    """A full HDFS is reported by the client's own message and stack trace."""
    from shopnow.lake.delta import errors, hdfs

    @contextmanager
    def unchanged(*_: Any) -> Iterator[None]:
        yield

    hdfs._rpc_errors = errors.as_user_errors = unchanged


@mutation
def non_atomic_kpi_writes() -> None:
    """The rows of a KPI table are replaced in several commits."""
    from shopnow_spark import kpi_writer, refresh_kpis

    publish, failpoint = kpi_writer.publish, kpi_writer.failpoint

    def publish_in_steps(plan: Any, rows: Any, computed: Any, *, read_published: bool = True) -> Any:
        # A part of the rows is committed at both failpoints, the one before and the one after the commit.
        kpi_writer.failpoint = lambda point: None
        publish(plan, rows.slice(0, len(rows) // 2), computed)
        kpi_writer.failpoint = failpoint
        plan.table.update_incremental()
        publish(plan, rows.slice(0, len(rows) * 3 // 4), computed)
        plan.table.update_incremental()
        return publish(plan, rows, computed)

    refresh_kpis.publish = publish_in_steps


@mutation
def events_dated_by_processing_time() -> None:
    """An event's date is the day on which it is processed, not the day of its event time."""
    from pyspark.sql import functions as F

    from shopnow_spark import events

    typed = events.parse_events
    events.parse_events = lambda raw, topic: typed(raw, topic).withColumn("event_date", F.current_date())


@mutation
def rebuilds_always_commit() -> None:
    """A rebuilt day is always written, even if its digest is unchanged."""
    from shopnow_spark import rebuild

    digest, count = rebuild.digest, iter(range(10**6))
    rebuild.digest = lambda rows: digest(rows)._replace(first=next(count))


@mutation
def compacted_files_not_verified() -> None:
    """Compacted files are published without comparing their digest with that of the rows read."""
    from shopnow_spark import file_digest

    class EqualToEverything:
        def __ne__(self, other: object) -> bool:
            return False

    file_digest.combine = lambda digests: EqualToEverything()


@mutation
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


@mutation
def messages_marked_sent_too_early() -> None:
    """The outbox marks a message as sent when it is claimed, before it is sent."""
    from shopnow.alerts import alert_log, outbox

    claim = outbox.claim

    def mark(table: Any, owner: str, *rest: Any, **options: Any) -> Any:
        messages = claim(table, owner, *rest, **options)
        sent = [message.row("sent", datetime.now(UTC)) for message in messages if message.held_by == owner]
        if sent:
            alert_log.commit_decision(table, sent)
        return messages

    outbox.claim = mark


@mutation
def gaps_of_compacted_topics_are_markers() -> None:
    """Offsets that compaction emptied before they landed count as transaction markers."""
    from shopnow.broker import topics

    topics.compacted = lambda conf, names: frozenset()


@mutation
def held_back_records_ignored() -> None:
    """Records behind an open transaction are neither counted nor named."""
    from shopnow.broker.topics import TopicState

    TopicState.held_back = property(lambda state: {})  # type: ignore[assignment, misc]


@mutation
def held_back_events_fail() -> None:
    """Sending fails if the events, although committed, do not become visible."""
    from shopnow.broker.transactional_producer import TransactionalProducer
    from shopnow.errors import UserError

    wait = TransactionalProducer.wait_until_visible

    def wait_or_fail(self: TransactionalProducer) -> list[str]:
        if hidden := wait(self):
            raise UserError(f"records committed to {hidden[0]} do not become visible")
        return []

    TransactionalProducer.wait_until_visible = wait_or_fail  # type: ignore[method-assign]


@mutation
def future_events_accepted() -> None:
    """Events of any time are valid: one of 2099 freezes a stock position and moves default periods."""
    from shopnow import event_rules, screening

    event_rules.problem_of_times = lambda *_: None
    screening._times = lambda *_: set()


@mutation
def times_rounded() -> None:
    """Fractions of a second are rounded, so an event of 23:59:59.9999999 belongs to the next day."""
    from shopnow import event_times

    event_times._may_be_rounded = lambda payload: False


@mutation
def framings_not_read() -> None:
    """Events in a schema registry frame, with a byte order mark or in a CloudEvent are quarantined."""
    from shopnow import validation

    validation.unframe = lambda value, headers: value


@mutation
def spellings_kept() -> None:
    """Ids in upper case and text in another normal form are other values to some readers."""
    from shopnow import validation

    validation.canonical = lambda event, payload: event


@mutation
def contradictory_amounts_accepted() -> None:
    """Orders are counted whose total is not that of their items."""
    from shopnow import event_rules, screening

    event_rules.amounts = lambda order: None
    screening._amounts = lambda events: set()


@mutation
def control_characters_accepted() -> None:
    """Ids and names may have control characters, which terminals and C programs take differently."""
    from shopnow import event_rules

    event_rules._control_characters = lambda event: None


@mutation
def other_ids_accepted() -> None:
    """Ids that are no UUIDv7, such as one number for all events, let events count as repeated."""
    from shopnow import event_rules, screening

    event_rules._event_id = lambda event: None
    screening._ids = lambda joined, count: set()


@mutation
def every_record_screened_as_plain() -> None:
    """What needs the full check among many records, such as escapes, lands as it is."""
    from shopnow import screening

    screening.unusual_values = lambda values, column: set()


@mutation
def depth_limited_by_the_stack() -> None:
    """Whether a deeply nested record is valid depends on the stack of the caller."""
    from shopnow import validation

    check_here = validation._check_here

    def check(*args: Any) -> validation.CheckedRecord:
        try:
            return check_here(*args)
        except RecursionError:
            return validation.CheckedRecord(problem="invalid JSON (nested too deep)")

    validation._check = check


@mutation
def reasons_forged_by_texts() -> None:
    """The field of a problem is what follows the first mark of a path in the decoder's message."""
    from shopnow import record_problems

    record_problems._PATH = re.compile(r" - at `\$\.?(.*)`\Z", re.DOTALL)


@mutation
def escaped_ids_not_erased() -> None:
    """Erasure compares bytes, so ids written with escapes stay in raw."""
    from shopnow.lake.governance import redaction

    redaction.decoded_text = lambda value: value.decode(errors="replace")


@mutation
def rows_of_the_future_observed() -> None:
    """The newest hour of a clock that is ahead hides the failures of the current one."""
    from shopnow.alerts import collect

    collect.until = lambda now, rows: list(rows)


@mutation
def damaged_bytes_accepted() -> None:
    """Pages are read without their checksums, and files without those of an earlier audit."""
    from shopnow.lake.delta import integrity

    batches = integrity.batches
    integrity.batches = lambda data, verify=True: batches(data, verify=False)
    integrity.checksum = lambda data: ""


@mutation
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


@mutation
def restored_rows_not_compared() -> None:
    """A damaged file is replaced whatever the digests of the restored rows are."""
    from shopnow.lake.delta.checksum import EMPTY
    from shopnow.lake.maintenance import repair_raw

    repair_raw.missing_after = lambda gap, rows: EMPTY
