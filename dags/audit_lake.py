"""
### Prove that nothing was lost or counted twice

Compares by content, not by counts: the generator's ledger = Kafka's topics = the raw tables = the receipts of every
landing; raw = events + quarantine + duplicates; events = KPIs, to the cent. The same as `./shopnow verify`.

**Runs** every hour, or by hand. It takes no params. It may run while data flows: every comparison is made at a cut both
sides have reached.

**When it fails.**
- *judge*: a check does not hold; its message names the first difference, by topic, partition and offset or by date and
  figure. `watch_stock` tells of it (rule `audit_broken`), and alerts say that their figures are in doubt until an audit holds again.
- *audit*: Kafka or HDFS unreachable: it retries by itself; see `./shopnow status`.

**Writes** the table `audits`, one row for each check. **Wakes** `watch_stock`, by the asset `audit`, whose events say
whether all checks hold.
"""

import logging

from airflow.sdk import DAG, get_current_context, task
from airflow.sdk.exceptions import AirflowFailException

from shopnow.audit import audit_log
from shopnow.audit.verify import verify
from shopnow.dag_common import AUDIT, DEFAULTS, LONG, Tag, every_hour, kafka_conf, lake_uri

log = logging.getLogger(__name__)

with DAG(
    dag_id="audit_lake",
    description="Proof that topics = raw = events = KPIs",
    doc_md=__doc__,
    schedule=every_hour(after=35),
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULTS,
    tags={Tag.SHOPNOW, Tag.MAINTENANCE},
) as dag:

    @task(outlets=[AUDIT], execution_timeout=LONG)
    def audit() -> list[str]:
        """What is broken, each check with its first difference."""
        context = get_current_context()
        checks = verify(kafka_conf(), lake_uri(), lambda subject, what: log.info("%s: %s", subject, what))
        found = audit_log.record(lake_uri(), checks, by=context["run_id"])
        broken = [f"{check.check}: {check.detail}" for check in found.broken]
        context["outlet_events"][AUDIT].extra = {"ok": not broken, "broken": broken}
        return broken

    @task
    def judge(broken: list[str]) -> None:
        if broken:
            raise AirflowFailException("; ".join(broken))

    judge(audit())
