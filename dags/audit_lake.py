"""
### Prove that nothing was lost or counted twice

Compares contents, not counts: the generator's ledger = the Kafka topics = the raw tables = the receipts
of all landings; raw = events + quarantine + duplicates; events = KPIs, to the cent. The same as
`./shopnow verify`.

**Runs** every hour, or by hand. It takes no params. It can run while data flows: every comparison uses
offsets and table versions that both sides have reached.

**When it fails.**
- *judge*: a check failed; its message names the first difference, by topic, partition and offset or by date
  and KPI. `watch_stock` notifies (rule `audit_broken`), and other alerts are marked as in doubt until an
  audit passes again.
- *audit*: Kafka or HDFS is unreachable; the task retries. See `./shopnow status`.

**Writes** the table `audits`, one row per check. **Triggers** `watch_stock` through the asset `audit`, whose
events say whether all checks passed.
"""

import logging

from airflow.sdk import DAG, get_current_context, task
from airflow.sdk.exceptions import AirflowFailException

from shopnow.audit import audit_log
from shopnow.dag_common import AUDIT, DEFAULT_ARGS, LONG_TIMEOUT, Tag, every_hour, kafka_conf, lake_uri

log = logging.getLogger(__name__)

with DAG(
    dag_id="audit_lake",
    description="Proof that topics = raw = events = KPIs",
    doc_md=__doc__,
    schedule=every_hour(after=35),
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULT_ARGS,
    tags={Tag.SHOPNOW, Tag.MAINTENANCE},
) as dag:

    @task(outlets=[AUDIT], execution_timeout=LONG_TIMEOUT)
    def audit() -> list[str]:
        """Return the failed checks, each with its first difference."""
        # Not while the file is parsed, which takes place every 30 seconds: it imports pandas and DuckDB.
        from shopnow.audit.verify import verify

        context = get_current_context()
        checks = verify(kafka_conf(), lake_uri(), lambda subject, detail: log.info("%s: %s", subject, detail))
        audit_result = audit_log.record(lake_uri(), checks, by=context["run_id"])
        broken = [f"{check.check}: {check.detail}" for check in audit_result.broken]
        context["outlet_events"][AUDIT].extra = {"ok": not broken, "broken": broken}
        return broken

    @task
    def judge(broken: list[str]) -> None:
        """Fail if a check failed."""
        if broken:
            raise AirflowFailException("; ".join(broken))

    judge(audit())
