"""
### Receive deliveries from suppliers

Takes delivery notes, CSV files in the folder `restock/inbox` of the lake on HDFS, adds the goods to the
simulated shop's inventory, and moves the note to `restock/done`, or to `restock/rejected` with a text file
that has the reason. The notes of approved orders wait in `restock/ordered` until they are due.
`docs/restock.md` has the format, an example and ways to drop a note, such as `./shopnow restock FILE`.

**Runs** when a note has been dropped, or an approved order is due; or by hand. It takes no params. A trigger
(`shopnow.restock.trigger`) lists the folders every ten seconds, ignores files that are still being written,
and wakes it again every five minutes while files stay.

**Writes** a `stock_restocked` event for each row, through the simulated shop, which alone knows its
inventory, so `quantity_after` is right. That fences a `generate_traffic` run in progress; its retry continues
with the goods in stock.

**Exactly once.** The events and the note's deduplication keys (content, file name, supplier with note number)
are written in one Kafka transaction; a note with a known key is not counted again. After a kill at any point,
a retry counts nothing twice and leaves no file behind.

**When it fails.**
- A rejected note does not fail the run: the log and the return value of `receive` have the reason. Drop it
  again, corrected.
- *files are postponed*: HDFS did not give or file them; all others are counted and filed. The message has
  HDFS's reason; later runs try again.
- *another run of the shop has taken over*: the task retries.
- Kafka or HDFS is unreachable: the task retries. See `./shopnow status`. On a cluster, the login of
  `webhdfs_default` must be allowed to write below `restock`.

**Triggers** `land_events` through the asset `traffic`.
"""

import logging

from airflow.providers.apache.hdfs.hooks.webhdfs import WebHDFSHook
from airflow.sdk import DAG, Asset, AssetWatcher, get_current_context, task

from shopnow.dag_common import DEFAULT_ARGS, TRAFFIC, Tag, kafka_conf, lake_uri
from shopnow.restock import inbox
from shopnow.restock.inbox import Inbox
from shopnow.restock.trigger import DeliveryNoteTrigger
from shopnow.text_format import build_table, printable, render_text

log = logging.getLogger(__name__)

NOTES = Asset(
    "delivery_notes",
    "shopnow://delivery_notes",
    group="shopnow",
    watchers=[AssetWatcher(name="restock_inbox", trigger=DeliveryNoteTrigger())],
)
"""There are delivery notes to receive; its events only trigger a run."""

with DAG(
    dag_id="receive_restock",
    description="Delivery notes on HDFS → stock",
    doc_md=__doc__,
    # A trigger instead of a run that waits in a sensor: every poll of a sensor is a new task process.
    schedule=NOTES,
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULT_ARGS,
    tags={Tag.SHOPNOW, Tag.INGEST},
) as dag:

    @task(outlets=[TRAFFIC])
    def receive() -> list[dict]:
        """Return each file with its outcome; fail after that if HDFS did not give one of them."""
        # Not while the file is parsed, which takes place every 30 seconds: it imports pandas and Faker.
        from shopnow.restock import service

        client = WebHDFSHook("webhdfs_default").get_conn()
        filed = service.receive(
            kafka_conf(), Inbox(client, inbox.inbox_path(lake_uri())), get_current_context()["run_id"]
        )
        log.info("\n%s", render_text(build_table("Delivery notes", service.FiledNote._fields, filed)))
        if postponed := [note for note in filed if note.outcome == service.POSTPONED]:
            raise RuntimeError(
                f"{len(postponed)} of {len(filed)} files are postponed, the first of them "
                f"{printable(postponed[0].file)}: {postponed[0].detail}"
            )
        return [{name: printable(value) for name, value in note._asdict().items()} for note in filed]

    receive()
