"""The report of benchmarks/workers.py: what limited a landing by several workers."""

import importlib.util
import sys

import pytest

from shopnow.settings import ROOT


@pytest.fixture(scope="module")
def workers():
    spec = importlib.util.spec_from_file_location("workers", ROOT / "benchmarks" / "workers.py")
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(ROOT / "benchmarks"))
    spec.loader.exec_module(module)
    sys.path.remove(str(ROOT / "benchmarks"))
    return module


def landing_run(workers, machine: float, cpu: float):
    return workers.LandingRun(
        2, 1_000_000, 8, 10.0, {"workers": cpu, "broker": 3.0, "NameNode": 0.2, "DataNodes": 2.0}, machine
    )


@pytest.mark.parametrize(
    ("machine", "cpu", "cores", "limit"),
    [
        (38, 20, 4, "the machine's cores: workers 2.0, broker 0.3, DataNodes 0.2, NameNode 0.0"),
        (26, 19, 4, "a core for each worker: workers 1.9, broker 0.3, DataNodes 0.2, NameNode 0.0"),
        (20, 12, 4, "waiting: workers 1.2, broker 0.3, DataNodes 0.2, NameNode 0.0 of 4 cores"),
    ],
)
def test_the_limit(workers, machine, cpu, cores, limit):
    assert workers.limit(landing_run(workers, machine, cpu), cores) == limit


def test_the_rate(workers):
    assert workers.rate(landing_run(workers, 0, 0)) == 100_000


def test_the_machines_cpu_time_does_not_go_back(workers):
    assert 0 < workers.machine_cpu() <= workers.machine_cpu()
