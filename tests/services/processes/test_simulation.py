"""A simulated run depends on its configuration alone, not on the process that simulates it."""

import hashlib
import os
import subprocess
import sys

from factories import shop_events
from shopnow.settings import ROOT
from shopnow.traffic.run_config import Faults

FAULTS = Faults(
    late=0.05, duplicate=0.1, out_of_order=0.05, malformed=0.02, schema_v1=0.3, clock_skew_seconds=2
)


def digest() -> str:
    """Return a digest of the records of a run."""
    batches = [chunk.batch for chunk in shop_events.chunks(shop_events.make_run(faults=FAULTS))]
    records = [(batch.topics, batch.keys, batch.values) for batch in batches]
    return hashlib.sha256(repr(records).encode()).hexdigest()


def test_another_process_gives_the_same_bytes() -> None:
    code = "import test_simulation; print(test_simulation.digest())"
    folders = (ROOT / "tests/services/processes", ROOT / "tests", ROOT / "include")
    for hash_seed in ("1", "2"):
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(map(str, folders)),
            "PYTHONHASHSEED": hash_seed,
        }
        process = subprocess.run(
            [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
        )
        assert process.stdout.strip() == digest()
