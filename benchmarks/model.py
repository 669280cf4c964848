"""What a rate of events takes, reckoned from what was measured on one machine: docs/scaling.md has what this prints.

    python benchmarks/model.py
    python benchmarks/model.py --rate 200000 --landing 310000 --spark 18000

Every input is an option, so that a reader's own figures can take the place of ours. Results are straight lines through one measured
point: nothing here was run at that size.
"""

import argparse
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, fields
from math import ceil
from typing import Any

DAY = 86_400
MB, TB, GIB = 1e6, 1e12, 1 << 30


def given(value: float, what: str, source: str) -> Any:
    return field(default=value, metadata={"what": what, "source": source})


@dataclass(frozen=True)
class Inputs:
    rate: float = given(1_000_000, "events/s, day and night", "asked")
    event_bytes: float = given(319, "bytes of an event in Kafka", "README, landing")
    planned: float = given(
        0.5,
        "share of a measured rate that is planned with",
        "chosen: an hour's backlog is caught up in an hour",
    )
    landing: float = given(255_000, "events/s of one landing process", "README, benchmarks/landing.py")
    landing_partitions: float = given(4, "partitions it read from", "benchmarks/landing.py")
    landing_gib: float = given(0.7, "GiB of memory it took", "README, benchmarks/landing.py")
    broker_in: float = given(
        286_000, "events/s into one broker, from one producer", "README, benchmarks/traffic.py"
    )
    broker_out: float = given(
        567_000, "events/s out of one broker, to one consumer", "README: landing was 0.45 of bare consuming"
    )
    spark: float = given(
        8_500,
        "events/s of a core from raw to all KPIs",
        "decisions/0005: 1,001,431 in 117.8 s of CPU, merged by Spark",
    )
    period: float = given(300, "seconds from one run of a DAG to the next", "land_events' schedule")
    replicas: float = given(3, "of a record and of a block", "the full profile")
    kafka_days: float = given(7, "days that Kafka keeps events", "SHOPNOW_KAFKA_RETENTION_DAYS")
    lake_days: float = given(30, "days that the lake keeps them", "chosen; for ever by default")
    vacuum_days: float = given(7, "days that replaced files stay", "SHOPNOW_VACUUM_HOURS")
    tables: float = given(2, "times the lake holds an event: raw and events", "docs/architecture.md")
    stored: float = given(
        1, "bytes in the lake for one in Kafka", "at most; Parquet is smaller, by how much was not measured"
    )
    landed_bytes: float = given(
        64 << 20, "bytes in Kafka that landing makes a file of", "lake/ingest/landing.py, BATCH_BYTES"
    )
    compacted_bytes: float = given(
        256 << 20, "bytes of a compacted file", "lake/maintenance/compaction.py, TARGET_BYTES"
    )
    block_bytes: float = given(128 << 20, "bytes of an HDFS block", "HDFS' default")
    object_bytes: float = given(
        150, "bytes of the NameNode's heap for a file or block", "a rule of thumb of HDFS, not measured"
    )
    checkpoint: float = given(20, "commits from one checkpoint to the next", "decisions/0009")
    disk_tb: float = given(20, "TB of a disk, of which 80 % are used", "chosen")


@dataclass(frozen=True)
class Result:
    what: str
    value: str
    why: str


def results(it: Inputs) -> Iterator[Result]:
    """What these inputs come to, in the order of the flow."""
    flow = it.rate * it.event_bytes
    yield Result("into Kafka", f"{flow / MB:,.0f} MB/s, {flow * DAY / TB:,.1f} TB a day", "rate × event")
    writing, reading = (
        ceil(it.rate * it.replicas / (it.broker_in * it.planned)),
        ceil(it.rate / (it.broker_out * it.planned)),
    )
    brokers = max(writing, reading, ceil(it.replicas))
    yield Result("brokers", f"{brokers:,}", f"{writing:,} to write every replica, {reading:,} to read once")
    yield Result(
        "network of a broker, in and out each",
        f"{8 * flow * it.replicas / brokers / MB:,.0f} Mbit/s",
        "in: every replica; out: one less to the other brokers, one to landing",
    )
    kept = flow * DAY * it.kafka_days * it.replicas
    yield Result("Kafka's disks", f"{kept / TB:,.0f} TB, {disks(it, kept):,} disks", "flow × days × replicas")
    workers = ceil(it.rate / (it.landing * it.planned))
    partitions = ceil(it.rate / (it.landing / it.landing_partitions * it.planned) / workers) * workers
    yield Result(
        "landing workers",
        f"{workers:,}, {workers * it.landing_gib:,.1f} GiB",
        "if shares add up: see the table below",
    )
    yield Result(
        "partitions, all topics together",
        f"{partitions:,}",
        "no more for each than was measured; as many for every worker",
    )

    landed = max(flow * DAY / it.landed_bytes, workers * DAY / it.period)
    compacted = flow * DAY * it.stored / it.compacted_bytes
    yield Result(
        "files landed a day", f"{landed:,.0f}", "flow ÷ bytes of a file; one a worker and run at least"
    )
    yield Result(
        "commits a day, checkpoints",
        f"{landed:,.0f}, {landed / it.checkpoint:,.0f}",
        "one a file at most, fewer when several are ready",
    )
    yield Result(
        "files of a day after compaction",
        f"{compacted:,.0f} in raw, as many in events",
        "bytes in the lake ÷ bytes of a file",
    )
    small_days = 1 + it.vacuum_days
    small, large = landed * small_days * it.tables, compacted * it.lake_days * it.tables
    objects = small * (1 + ceil(it.landed_bytes * it.stored / it.block_bytes)) + large * (
        1 + ceil(it.compacted_bytes / it.block_bytes)
    )
    yield Result(
        "files on HDFS", f"{small + large:,.0f}", "today's and the replaced ones, beside those of all days"
    )
    yield Result(
        "objects of the NameNode",
        f"{objects:,.0f}, {objects * it.object_bytes / GIB:,.1f} GiB of heap",
        "files and their blocks",
    )
    lake = flow * it.stored * DAY * it.tables * (it.lake_days + small_days) * it.replicas
    yield Result(
        "HDFS' disks",
        f"{lake / TB:,.0f} TB, {disks(it, lake):,} disks",
        "at most: uncompressed, with what VACUUM has not taken yet",
    )

    yield Result(
        "Spark cores, every event once",
        f"{ceil(it.rate / (it.spark * it.planned)):,}",
        "rate ÷ events of a core",
    )
    again = it.rate * DAY / it.spark
    yield Result(
        "Spark cores for a run at the day's end",
        f"{ceil(again / it.period):,}",
        f"it makes the day's KPIs of all of its events: {again / 3600:,.0f} hours of a core",
    )


def disks(it: Inputs, size: float) -> int:
    return ceil(size / (0.8 * it.disk_tb * TB))


def tables(it: Inputs) -> str:
    """Inputs and results, in Markdown."""
    rows = ["| input | | from |", "|---|---|---|"]
    rows += [
        f"| {each.metadata['what']} | {asdict(it)[each.name]:,} | {each.metadata['source']} |"
        for each in fields(it)
    ]
    rows += ["", "| takes | | because |", "|---|---|---|"]
    rows += [f"| {each.what} | {each.value} | {each.why} |" for each in results(it)]
    return "\n".join(rows)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for each in fields(Inputs):
        parser.add_argument(
            f"--{each.name.replace('_', '-')}",
            type=float,
            default=each.default,
            help=each.metadata["what"].replace("%", "%%"),
        )
    print(tables(Inputs(**vars(parser.parse_args()))))


if __name__ == "__main__":
    main()
