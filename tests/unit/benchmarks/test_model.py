"""docs/scaling.md has the output of the model, and the model follows its inputs."""

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
DEFAULTS = model.Inputs()


def value(inputs, what: str) -> str:
    [result] = [result for result in model.results(inputs) if result.what == what]
    return result.value


def number(inputs, what: str) -> float:
    return float(value(inputs, what).split()[0].replace(",", ""))


def test_the_doc_has_the_output():
    assert model.tables(DEFAULTS) in (ROOT / "docs" / "scaling.md").read_text(), (
        "copy the output of python benchmarks/model.py into docs/scaling.md"
    )


def test_the_inputs_are_the_constants_of_the_code():
    assert DEFAULTS.landed_bytes == landing.BATCH_BYTES
    assert DEFAULTS.compacted_bytes == compaction.TARGET_BYTES
    assert DEFAULTS.checkpoint == int(tables.CHECKPOINTS["delta.checkpointInterval"])
    assert DEFAULTS.kafka_days == Settings.model_fields["kafka_retention_days"].default
    assert DEFAULTS.vacuum_days * 24 == Settings.model_fields["vacuum_hours"].default


def test_a_worked_example():
    inputs = replace(
        DEFAULTS,
        rate=1000,
        event_bytes=1000,
        planned=1,
        landing=500,
        landing_partitions=1,
        broker_in=300,
        broker_out=10_000,
    )
    assert value(inputs, "into Kafka") == "1 MB/s, 0.1 TB a day"
    assert number(inputs, "brokers") == 10
    assert value(inputs, "network of a broker, in and out each") == "2 Mbit/s"
    assert value(inputs, "landing workers") == "2, 1.4 GiB"
    assert number(inputs, "partitions, all topics together") == 2
    # 86.4 GB a day in files of 64 MiB and of 256 MiB.
    assert number(inputs, "files landed a day") == 1287
    assert number(inputs, "files of a day after compaction") == 322


@pytest.mark.parametrize(
    "what", ["brokers", "files landed a day", "files on HDFS", "Spark cores, every event once"]
)
def test_doubling_the_rate_about_doubles_the_result(what):
    assert number(replace(DEFAULTS, rate=2 * DEFAULTS.rate), what) == pytest.approx(
        2 * number(DEFAULTS, what), rel=0.05
    )


def test_a_low_rate_still_takes_three_brokers_and_a_file_per_run():
    inputs = replace(DEFAULTS, rate=1)
    assert number(inputs, "brokers") == 3
    assert number(inputs, "files landed a day") == 86_400 / inputs.period
