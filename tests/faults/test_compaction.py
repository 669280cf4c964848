"""Compaction, killed anywhere while landing goes on; then VACUUM: no row is changed and nothing is left behind."""

import signal
import time
import uuid
from collections.abc import Callable
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

SMALL = 25


def test_killed_at_every_point_while_landing(
    services: Services,
    battered: str,
    chance: Random,
    scoreboard: Scoreboard,
    often: Callable[[int, int], int],
) -> None:
    if not often(0, 1):
        pytest.skip("in the full suite only: it takes six runs of Spark")
    tomorrow = str(datetime.now(UTC).date() + timedelta(days=1))
    land_all(services, battered)
    for point in FAILPOINTS:
        generate(services.conf, str(uuid.uuid4()), sessions=60, seed=chance.randrange(2**31))
        landing = Worker("land", conf=services.conf, lake=battered, topics=list(TOPICS), batch_rows=SMALL)
        killed = run_spark(services, battered, point, "compact_lake.py", "--before", tomorrow)
        at = time.monotonic()
        assert killed.returncode in {-signal.SIGKILL, 128 + signal.SIGKILL, 1}, killed
        scoreboard.kill(Fault.COMPACTION, point)
        ended = landing.wait()
        assert ended.code == 0, ended
        scoreboard.judge(Fault.COMPACTION, oracle.score_raw(services.conf, battered))

    done = run_spark(services, battered, "", "compact_lake.py", "--before", tomorrow)
    assert done.returncode == 0, done
    scoreboard.recovered(Fault.COMPACTION, time.monotonic() - at)
    assert vacuum.vacuum(battered, hours=0)
    for topic in TOPICS:
        assert files(battered, f"raw/{topic}") == {
            urlsplit(uri).path for uri in Table(battered, f"raw/{topic}").open().file_uris()
        }
    scoreboard.judge(Fault.COMPACTION, oracle.score_raw(services.conf, battered))


def files(lake: str, name: str) -> set[str]:
    """The data files that are there, named by the table or not."""
    address = urlsplit(Table(lake, name).uri)
    listed = Client(f"hdfs://{address.netloc}").list_status(address.path, recursive=True)
    return {status.path for status in listed if not status.isdir and "/_delta_log/" not in status.path}
