"""Landing: which offsets are read, and how they are committed with the rows."""

from typing import Any


def no_offsets_in_commits() -> None:
    """The commit of the rows has no app transactions with their end offsets."""
    from shopnow.lake.ingest import landing, offsets

    commit_properties = landing.CommitProperties

    def without_app_transactions(**options: Any) -> Any:
        return commit_properties(**{**options, "app_transactions": None})

    landing.CommitProperties = without_app_transactions
    offsets.is_known = lambda *_: True  # otherwise the topic would count as new


def landed_offsets_ignored() -> None:
    """A plan starts at the earliest offset in Kafka and ignores what is landed."""
    from shopnow.lake.ingest import offsets

    offsets.position = lambda table, topic_id, partition: None


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


def data_loss_ignored() -> None:
    """Records that Kafka no longer has are skipped: reading continues at the earliest offset it has."""
    from shopnow.broker import client, reader
    from shopnow.lake.ingest import data_loss

    consumer = client.consumer
    data_loss.find = lambda *_: []
    reader.check_position = lambda *_: None
    client.consumer = lambda conf, settings: consumer(conf, {**settings, "auto.offset.reset": "earliest"})


def topics_identified_by_name() -> None:
    """App transactions identify a topic by its name, not by its topic id."""
    from shopnow.lake.ingest import offsets

    offsets.app_id = lambda topic_id, partition: f"by name/{partition}"


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
