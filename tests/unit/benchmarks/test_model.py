"""docs/scaling.md has what the model says, and the model follows its inputs."""

import importlib.util
from dataclasses import replace

import pytest

from shopnow.lake.delta import tables
from shopnow.lake.ingest import landing
from shopnow.lake.maintenance import compaction
from shopnow.settings import ROOT, Settings

_spec = importlib.util.spec_from_file_location("model", ROOT / "benchmarks" / "model.py")
model = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(model)
OURS = model.Inputs()


def value(inputs, what: str) -> str:
    [found] = [each.value for each in model.results(inputs) if each.what == what]
    return found


def number(inputs, what: str) -> float:
    return float(value(inputs, what).split()[0].replace(",", ""))


def test_the_doc_is_what_it_prints():
    assert model.tables(OURS) in (ROOT / "docs" / "scaling.md").read_text(), (
        "put what python benchmarks/model.py prints into docs/scaling.md"
    )


def test_the_inputs_are_what_the_code_does():
    assert OURS.landed_bytes == landing.BATCH_BYTES
    assert OURS.compacted_bytes == compaction.TARGET_BYTES
    assert OURS.checkpoint == int(tables.CHECKPOINTS["delta.checkpointInterval"])
    assert OURS.kafka_days == Settings.model_fields["kafka_retention_days"].default
    assert OURS.vacuum_days * 24 == Settings.model_fields["vacuum_hours"].default


def test_a_worked_example():
    it = replace(
        OURS,
        rate=1000,
        event_bytes=1000,
        planned=1,
        landing=500,
        landing_partitions=1,
        broker_in=300,
        broker_out=10_000,
    )
    assert value(it, "into Kafka") == "1 MB/s, 0.1 TB a day"
    assert number(it, "brokers") == 10
    assert value(it, "network of a broker, in and out each") == "2 Mbit/s"
    assert value(it, "landing workers") == "2, 1.4 GiB"
    assert number(it, "partitions, all topics together") == 2
    # A byte flow of 86.4 GB a day in files of 64 MiB, and of 256 MiB.
    assert number(it, "files landed a day") == 1287
    assert number(it, "files of a day after compaction") == 322


@pytest.mark.parametrize(
    "what", ["brokers", "files landed a day", "files on HDFS", "Spark cores, every event once"]
)
def test_twice_the_rate_takes_about_twice_as_much(what):
    assert number(replace(OURS, rate=2 * OURS.rate), what) == pytest.approx(2 * number(OURS, what), rel=0.05)


def test_few_events_still_take_three_brokers_and_a_file_a_run():
    it = replace(OURS, rate=1)
    assert number(it, "brokers") == 3
    assert number(it, "files landed a day") == 86_400 / it.period
