"""
### Receive suppliers' deliveries

Waits for delivery notes, CSV files dropped in the folder `restock/inbox` of the lake on HDFS, puts the goods on the shop's shelves,
and files the note under `restock/done`, or under `restock/rejected` beside a text that says why. Format, an example and ways
to drop one: docs/restock.md, `./shopnow restock FILE`.

**Runs** always: as soon as one run ends, the next begins. It takes no params. The sensor looks every half minute, and leaves alone
what is still being written.

**Writes** a `stock_restocked` for each row, through the simulated shop, which alone knows what is on its shelves: `quantity_after` is
right. A `generate_traffic` that is at work meanwhile is stopped by that; its next try goes on, with the goods on the shelves.

**Exactly once.** Events and the note's marks (content, file name, supplier with note number) are one Kafka transaction; a file that is
known by one of them is not counted again. Killed anywhere and tried again, nothing is counted twice or left lying.

**When it fails.**
- A note that is rejected fails nothing: the log and `receive`'s return value say why. Drop it again, corrected.
- *another run of the shop has taken over*: it is tried again by itself.
- Kafka or HDFS unreachable: it retries by itself; see `./shopnow status`. On a cluster, the login of `webhdfs_default` has to
  be allowed to write below `restock`.

**Wakes** `land_events`, by the asset `traffic`.
"""

import logging
from datetime import timedelta

from airflow.providers.apache.hdfs.hooks.webhdfs import WebHDFSHook
from airflow.providers.apache.hdfs.sensors.web_hdfs import WebHdfsSensor
from airflow.sdk import DAG, get_current_context, task

from shopnow.dag_common import CONTINUOUS, DEFAULTS, LAKE_PATH, TRAFFIC, Tag, kafka_conf, lake_uri
from shopnow.restock import inbox, service
from shopnow.restock.inbox import Inbox
from shopnow.text_format import as_text, table

log = logging.getLogger(__name__)


class DeliveryNoteSensor(WebHdfsSensor):
    """Waits until a delivery note lies in the inbox below the path."""

    def poke(self, context) -> bool:
        return bool(Inbox(WebHDFSHook(self.webhdfs_conn_id).get_conn(), self.filepath).waiting())


with DAG(
    dag_id="receive_restock",
    description="Delivery notes on HDFS → stock",
    doc_md=__doc__,
    schedule="@continuous",
    default_args=DEFAULTS,
    tags={Tag.SHOPNOW, Tag.INGEST},
    **CONTINUOUS,
) as dag:
    note_dropped = DeliveryNoteSensor(
        task_id="note_dropped",
        filepath=f"{LAKE_PATH}/restock",
        mode="reschedule",
        poke_interval=30,
        timeout=timedelta(days=7).total_seconds(),
        execution_timeout=None,
        soft_fail=True,
    )

    @task(outlets=[TRAFFIC])
    def receive() -> list[dict]:
        """Each file, and what became of it."""
        client = WebHDFSHook("webhdfs_default").get_conn()
        filed = service.receive(
            kafka_conf(), Inbox(client, inbox.path(lake_uri())), get_current_context()["run_id"]
        )
        log.info("\n%s", as_text(table("Delivery notes", service.Filed._fields, filed)))
        return [each._asdict() for each in filed]

    note_dropped >> receive()
