"""A short storm on the stack that all tests before it have used; `./shopnow chaos` has the long one."""

from datetime import UTC, datetime
from random import Random

from shopnow.local_stack import supervision
from support import storm
from support.full_stack import MINUTE
from support.storm import Sizes, Stack, Storm

SIZES = Sizes(records=300, notes=40, forms=60, runs=1, requests=120, commands=1)

AFTERWARDS = ("land_events", "compute_kpis", "receive_restock")
"""DAGs that must have succeeded since the storm; the long form runs all."""


def test_hostile_items_neither_stop_nor_distort_anything(api, settings, shopnow, tmp_path):
    short = Storm(Stack(settings, api, shopnow, tmp_path), Random("storm"))  # the long form has new items
    since = datetime.now(UTC)
    short.deliver(SIZES)
    short.settle()
    assert list(short.problems()) == []
    assert supervision.wait_until(
        lambda: not storm.dags_without_success(api, since, AFTERWARDS), 5 * MINUTE, interval=1
    )
