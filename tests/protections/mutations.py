"""Protections taken out, to see that a test would tell: patches of this process, never switches in the product.

Each imports what it patches, so that a process needs only that.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

MUTATIONS: dict[str, Callable[[], None]] = {}


def mutation(take_out: Callable[[], None]) -> Callable[[], None]:
    MUTATIONS[take_out.__name__] = take_out
    return take_out


@mutation
def events_without_a_transaction() -> None:
    """What the generator sends is there as soon as it is acknowledged, whether the ledger and the shop's state follow or not."""
    from confluent_kafka import Producer

    from shopnow.broker import transactional_producer

    class Plain(Producer):
        def __init__(self, conf: dict[str, Any]) -> None:
            super().__init__(
                {name: value for name, value in conf.items() if name != "transactional.id"}
                | {"enable.idempotence": True}
            )

        def _nothing(self, *_: Any) -> None:
            pass

        init_transactions = begin_transaction = commit_transaction = abort_transaction = _nothing

    transactional_producer.Producer = Plain


@mutation
def no_offsets_in_commits() -> None:
    """The commit of the rows does not carry the offsets they reach to."""
    from shopnow.lake.ingest import landing, offsets

    whole = landing.CommitProperties

    def properties(**options: Any) -> Any:
        return whole(**{**options, "app_transactions": None})

    landing.CommitProperties = properties
    offsets.is_known = lambda *_: True  # or else the topic would be taken for a new one


@mutation
def landed_offsets_ignored() -> None:
    """A plan begins at the earliest offset Kafka has, whatever is landed."""
    from shopnow.lake.ingest import offsets

    offsets.position = lambda table, topic_id, partition: None


@mutation
def offsets_before_rows() -> None:
    """The offsets are committed first, the rows in a commit after it."""
    from shopnow.lake.ingest import landing

    commit = landing._commit

    def apart(conf: Any, table: Any, topic: Any, plan: Any, ready: list, *rest: Any) -> None:
        commit(conf, table, topic, plan, [(parts, None) for parts, _ in ready], *rest)
        table.create_write_transaction(
            [action for _, action in ready if action],
            mode="append",
            schema=landing.RAW,
            partition_by=list(landing.PARTITION_BY),
        )

    landing._commit = apart


@mutation
def losses_passed_over() -> None:
    """What Kafka no longer has is not missed: reading goes on at what it has."""
    from shopnow.broker import client, reader
    from shopnow.lake.ingest import data_loss

    consumer = client.consumer
    data_loss.find = lambda *_: []
    reader.check_present = lambda *_: None
    client.consumer = lambda conf, settings: consumer(conf, {**settings, "auto.offset.reset": "earliest"})


@mutation
def topics_known_by_name() -> None:
    """Offsets are kept by the topic's name, whatever its id."""
    from shopnow.lake.ingest import offsets

    offsets.app_id = lambda topic_id, partition: f"by name/{partition}"


@mutation
def new_partitions_read_from_their_end() -> None:
    """Of a partition that was added only what comes from now on is landed."""
    from shopnow.broker import topics
    from shopnow.broker.topics import TopicState
    from support.kafka_topics import PARTITIONS

    describe = topics.describe

    def from_the_end(*given: Any) -> dict[str, TopicState]:
        found = describe(*given)
        for name, state in found.items():
            added = {
                partition: (end, end)
                for partition, (_, end) in state.partitions.items()
                if partition >= PARTITIONS
            }
            found[name] = state._replace(partitions=state.partitions | added)
        return found

    topics.describe = from_the_end


@mutation
def aborted_records_read() -> None:
    """Records of transactions that were aborted are read like any others."""
    from shopnow.broker import client

    consumer = client.consumer
    client.consumer = lambda conf, settings: consumer(
        conf, {**settings, "isolation.level": "read_uncommitted"}
    )


@mutation
def landed_when_enough_came() -> None:
    """A few new records are left until there are more of them."""
    from dataclasses import replace

    from shopnow.lake.ingest import landing
    from shopnow.lake.ingest.plan import Plan

    make_plan = landing.make_plan

    def enough(*given: Any) -> Plan:
        plan = make_plan(*given)
        few = sum(end - start for start, end in plan.ranges.values()) < 10
        return replace(plan, ranges={}) if few else plan

    landing.make_plan = enough


@mutation
def bad_records_taken_for_good() -> None:
    """Nothing is the matter with any record."""
    _pass_over_problems(lambda problem: True)


@mutation
def incompatible_records_taken_for_good() -> None:
    """Values of another type or out of their limits, an unknown schema version among them, are no problem."""
    _pass_over_problems(lambda problem: problem.startswith(("wrong type", "invalid value")))


def _pass_over_problems(passed: Callable[[str], bool]) -> None:
    from shopnow import validation
    from shopnow.lake.delta import raw_encoding

    check = validation.check

    def lenient(*given: Any) -> validation.Checked:
        found = check(*given)
        if found.problems is None:
            return found
        return found._replace(
            problems=[None if each is not None and passed(each) else each for each in found.problems]
        )

    validation.check = raw_encoding.check = lenient


@mutation
def any_share_of_bad_records() -> None:
    """However many records are bad, landing goes on."""
    from shopnow.lake.ingest import batches

    batches.enforce_quarantine_limit = lambda limit, topic, read: read


@mutation
def leftovers_stay() -> None:
    """What a writer that died left in a table's log stays there."""
    from shopnow.lake.delta import stale_commits

    stale_commits.discard = lambda uri: 0


@mutation
def errors_of_hdfs_as_they_come() -> None:
    """That HDFS has no room is told in the words, and by the stack trace, of its client."""
    from shopnow.lake.delta import errors, hdfs

    @contextmanager
    def unchanged(*_: Any) -> Iterator[None]:
        yield

    hdfs._refusals = errors.as_user_errors = unchanged


@mutation
def kpi_rows_bit_by_bit() -> None:
    """The rows of a KPI table are replaced bit by bit."""
    from shopnow_spark import kpi_writer, refresh_kpis

    publish, reach = kpi_writer.publish, kpi_writer.reach

    def bit_by_bit(plan: Any, rows: Any, computed: Any) -> Any:
        # Parts of the rows are there at both points where the driver is killed, before and after its commit.
        kpi_writer.reach = lambda point: None
        publish(plan, rows.slice(0, len(rows) // 2), computed)
        kpi_writer.reach = reach
        plan.table.update_incremental()
        publish(plan, rows.slice(0, len(rows) * 3 // 4), computed)
        plan.table.update_incremental()
        return publish(plan, rows, computed)

    refresh_kpis.publish = bit_by_bit


@mutation
def events_on_the_day_they_came() -> None:
    """An event's date is the day on which it is processed."""
    from pyspark.sql import functions as F

    from shopnow_spark import events

    typed = events.typed
    events.typed = lambda raw, topic: typed(raw, topic).withColumn("event_date", F.current_date())


@mutation
def days_always_made_anew() -> None:
    """A rebuilt day is written whether it is the same as before or not."""
    from shopnow_spark import rebuild

    digest, count = rebuild.digest, iter(range(10**6))
    rebuild.digest = lambda rows: digest(rows)._replace(first=next(count))


@mutation
def compacted_files_not_read_back() -> None:
    """Compacted files are published whatever is in them."""
    from shopnow_spark import file_digest

    class AsExpected:
        def __ne__(self, other: object) -> bool:
            return False

    file_digest.together = lambda digests: AsExpected()


@mutation
def replaced_without_a_look() -> None:
    """Files are replaced whatever was committed since they were read, as the library's own second try would."""
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
def messages_marked_before_they_are_sent() -> None:
    """The outbox takes a message for sent as soon as somebody is about to send it."""
    from shopnow.alerts import alert_log, outbox

    claim = outbox.claim

    def mark(table: Any, owner: str, *rest: Any, **options: Any) -> Any:
        messages = claim(table, owner, *rest, **options)
        mine = [message.row("sent", datetime.now(UTC)) for message in messages if message.held_by == owner]
        if mine:
            alert_log.decide(table, mine)
        return messages

    outbox.claim = mark
