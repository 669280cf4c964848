"""Compaction killed at every failpoint during a landing, then VACUUM: no row changes, no file stays."""

import signal
import time
import uuid
from datetime import UTC, datetime, timedelta
from random import Random
from urllib.parse import urlsplit

import pytest
from hdfs_native import Client

from faults import oracle
from faults.pipeline import land_all, run_spark
from faults.scoreboard import Fault, Scoreboard
from faults.services import Services
from faults.worker import Worker
from shopnow.events import TOPICS
from shopnow.lake.delta.tables import Table
from shopnow.lake.maintenance import vacuum
from shopnow.traffic.generate import generate
from shopnow_spark.compaction import FAILPOINTS

BATCH_ROWS = 25


@pytest.mark.full_suite(reason="six runs of Spark")
def test_killed_at_every_point_while_landing(
    services: Services, shared_lake: str, rng: Random, scoreboard: Scoreboard
) -> None:
    tomorrow = str(datetime.now(UTC).date() + timedelta(days=1))
    land_all(services, shared_lake)
    for point in FAILPOINTS:
        generate(services.conf, str(uuid.uuid4()), sessions=60, seed=rng.randrange(2**31))
        landing = Worker(
            "land", conf=services.conf, lake=shared_lake, topics=list(TOPICS), batch_rows=BATCH_ROWS
        )
        killed = run_spark(services, shared_lake, point, "compact_lake.py", "--before", tomorrow)
        at = time.monotonic()
        assert killed.returncode in {-signal.SIGKILL, 128 + signal.SIGKILL, 1}, killed
        scoreboard.kill(Fault.COMPACTION, point)
        ended = landing.wait()
        assert ended.code == 0, ended
        scoreboard.judge(Fault.COMPACTION, oracle.score_raw(services.conf, shared_lake))

    retry = run_spark(services, shared_lake, "", "compact_lake.py", "--before", tomorrow)
    assert retry.returncode == 0, retry
    scoreboard.recovered(Fault.COMPACTION, time.monotonic() - at)
    assert vacuum.vacuum(shared_lake, hours=0)
    for topic in TOPICS:
        assert files(shared_lake, f"raw/{topic}") == {
            urlsplit(uri).path for uri in Table(shared_lake, f"raw/{topic}").open().file_uris()
        }
    scoreboard.judge(Fault.COMPACTION, oracle.score_raw(services.conf, shared_lake))


def files(lake: str, name: str) -> set[str]:
    """Return the data files in the table's folder, whether its log has them or not."""
    address = urlsplit(Table(lake, name).uri)
    listed = Client(f"hdfs://{address.netloc}").list_status(address.path, recursive=True)
    return {status.path for status in listed if not status.isdir and "/_delta_log/" not in status.path}
