"""Estimate the resources for a rate of events from measurements on one machine; printed in docs/scaling.md.

    python benchmarks/model.py
    python benchmarks/model.py --rate 200000 --landing 310000 --spark 18000

Every input is an option, so that a reader can insert other measurements. Results extrapolate linearly from
one measured point: nothing was run at that size.
"""

import argparse
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, fields
from math import ceil
from typing import Any

DAY = 86_400
MB, TB, GIB = 1e6, 1e12, 1 << 30


def measured(value: float, what: str, source: str) -> Any:
    """An input with its default, its description and where the default comes from."""
    return field(default=value, metadata={"what": what, "source": source})


@dataclass(frozen=True)
class Inputs:
    """The measurements and choices that the estimate starts from."""

    rate: float = measured(1_000_000, "events/s, sustained", "target")
    event_bytes: float = measured(319, "bytes of an event in Kafka", "docs/benchmarks.md, landing")
    planned: float = measured(
        0.5,
        "share of a measured rate that is planned for",
        "chosen: an hour's backlog is caught up in an hour",
    )
    landing: float = measured(
        255_000, "events/s of one landing process", "docs/benchmarks.md, benchmarks/landing.py"
    )
    landing_partitions: float = measured(4, "partitions that process read", "benchmarks/landing.py")
    landing_gib: float = measured(
        0.7, "GiB of memory of that process", "docs/benchmarks.md, benchmarks/landing.py"
    )
    broker_in: float = measured(
        286_000, "events/s into one broker, from one producer", "docs/benchmarks.md, benchmarks/traffic.py"
    )
    broker_out: float = measured(
        567_000,
        "events/s out of one broker, to one consumer",
        "docs/benchmarks.md: landing was 0.45 of bare consuming",
    )
    spark: float = measured(
        8_500,
        "events/s of a core from raw to all KPIs",
        "decisions/0005: 1,001,431 in 117.8 s of CPU, merged by Spark",
    )
    period: float = measured(300, "seconds from one run of a DAG to the next", "land_events' schedule")
    replicas: float = measured(3, "replicas of a record and of a block", "the full profile")
    kafka_days: float = measured(7, "days that Kafka keeps events", "SHOPNOW_KAFKA_RETENTION_DAYS")
    lake_days: float = measured(30, "days that the lake keeps events", "chosen; without limit by default")
    vacuum_days: float = measured(7, "days that replaced files stay", "SHOPNOW_VACUUM_HOURS")
    tables: float = measured(2, "copies of an event in the lake: raw and events", "docs/architecture.md")
    stored: float = measured(
        1,
        "bytes in the lake per byte in Kafka",
        "upper bound; Parquet is smaller, by how much was not measured",
    )
    landed_bytes: float = measured(
        64 << 20,
        "bytes of the rows of a landed file",
        "lake/ingest/landing.py, BATCH_BYTES: Arrow's, taken for bytes in Kafka, which are fewer",
    )
    compacted_bytes: float = measured(
        256 << 20, "bytes of a compacted file", "lake/maintenance/compaction.py, TARGET_BYTES"
    )
    block_bytes: float = measured(128 << 20, "bytes of an HDFS block", "HDFS' default")
    object_bytes: float = measured(
        150, "bytes of the NameNode's heap for a file or block", "a rule of thumb of HDFS, not measured"
    )
    checkpoint: float = measured(20, "commits from one checkpoint to the next", "decisions/0009")
    disk_tb: float = measured(20, "TB of a disk, of which 80 % are used", "chosen")


@dataclass(frozen=True)
class Result:
    """One line of the estimate."""

    what: str
    value: str
    why: str


def results(inputs: Inputs) -> Iterator[Result]:
    """The estimate for these inputs, in the order of the data flow."""
    flow = inputs.rate * inputs.event_bytes
    yield Result("into Kafka", f"{flow / MB:,.0f} MB/s, {flow * DAY / TB:,.1f} TB a day", "rate × event")
    writing, reading = (
        ceil(inputs.rate * inputs.replicas / (inputs.broker_in * inputs.planned)),
        ceil(inputs.rate / (inputs.broker_out * inputs.planned)),
    )
    brokers = max(writing, reading, ceil(inputs.replicas))
    yield Result("brokers", f"{brokers:,}", f"{writing:,} to write every replica, {reading:,} to read once")
    yield Result(
        "network of a broker, in and out each",
        f"{8 * flow * inputs.replicas / brokers / MB:,.0f} Mbit/s",
        "in: every replica; out: the other replicas to brokers, one to landing",
    )
    kept = flow * DAY * inputs.kafka_days * inputs.replicas
    yield Result(
        "Kafka's disks", f"{kept / TB:,.0f} TB, {disks(inputs, kept):,} disks", "flow × days × replicas"
    )
    workers = ceil(inputs.rate / (inputs.landing * inputs.planned))
    partitions = (
        ceil(inputs.rate / (inputs.landing / inputs.landing_partitions * inputs.planned) / workers) * workers
    )
    yield Result(
        "landing workers",
        f"{workers:,}, {workers * inputs.landing_gib:,.1f} GiB",
        "if shards scale linearly: see the table below",
    )
    yield Result(
        "partitions, all topics together",
        f"{partitions:,}",
        "no higher rate per partition than measured; the same number for every worker",
    )

    landed = max(flow * DAY / inputs.landed_bytes, workers * DAY / inputs.period)
    compacted = flow * DAY * inputs.stored / inputs.compacted_bytes
    yield Result(
        "files landed a day", f"{landed:,.0f}", "flow ÷ bytes of a file; at least one per worker and run"
    )
    yield Result(
        "commits a day, checkpoints",
        f"{landed:,.0f}, {landed / inputs.checkpoint:,.0f}",
        "at most one per file, fewer when several are ready",
    )
    yield Result(
        "files of a day after compaction",
        f"{compacted:,.0f} in raw, the same in events",
        "bytes in the lake ÷ bytes of a file",
    )
    small_days = 1 + inputs.vacuum_days
    small, large = landed * small_days * inputs.tables, compacted * inputs.lake_days * inputs.tables
    objects = small * (1 + ceil(inputs.landed_bytes * inputs.stored / inputs.block_bytes)) + large * (
        1 + ceil(inputs.compacted_bytes / inputs.block_bytes)
    )
    yield Result(
        "files on HDFS",
        f"{small + large:,.0f}",
        "today's and the replaced files, and the compacted ones of all days",
    )
    yield Result(
        "objects of the NameNode",
        f"{objects:,.0f}, {objects * inputs.object_bytes / GIB:,.1f} GiB of heap",
        "files and their blocks",
    )
    lake = flow * inputs.stored * DAY * inputs.tables * (inputs.lake_days + small_days) * inputs.replicas
    yield Result(
        "HDFS' disks",
        f"{lake / TB:,.0f} TB, {disks(inputs, lake):,} disks",
        "upper bound: uncompressed, with the files that VACUUM has not deleted yet",
    )

    yield Result(
        "Spark cores, every event once",
        f"{ceil(inputs.rate / (inputs.spark * inputs.planned)):,}",
        "rate ÷ events per core",
    )
    recompute = inputs.rate * DAY / inputs.spark
    yield Result(
        "Spark cores for a run at the day's end",
        f"{ceil(recompute / inputs.period):,}",
        f"it recomputes the day's KPIs from all of its events: {recompute / 3600:,.0f} core hours",
    )


def disks(inputs: Inputs, size: float) -> int:
    """The number of disks for that many bytes, filled to 80 %."""
    return ceil(size / (0.8 * inputs.disk_tb * TB))


def tables(inputs: Inputs) -> str:
    """Inputs and results as Markdown tables."""
    rows = ["| input | | from |", "|---|---|---|"]
    rows += [
        f"| {field.metadata['what']} | {asdict(inputs)[field.name]:,} | {field.metadata['source']} |"
        for field in fields(inputs)
    ]
    rows += ["", "| takes | | because |", "|---|---|---|"]
    rows += [f"| {result.what} | {result.value} | {result.why} |" for result in results(inputs)]
    return "\n".join(rows)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for option in fields(Inputs):
        parser.add_argument(
            f"--{option.name.replace('_', '-')}",
            type=float,
            default=option.default,
            help=option.metadata["what"].replace("%", "%%"),
        )
    print(tables(Inputs(**vars(parser.parse_args()))))


if __name__ == "__main__":
    main()
