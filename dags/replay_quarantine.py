"""
### Replay quarantined records after a fix

Validates quarantined records again with the current event definitions and releases those that are valid, or
applies corrected payloads from an operator. The original bytes are kept; each record becomes an event exactly
once. The same as `./shopnow quarantine replay`; `./shopnow quarantine` lists the records.

**Runs** by hand, with params:

| param | meaning |
|---|---|
| `topic`, `reason` | only records of this topic, or with this reason |
| `corrections` | list of corrected payloads, used instead of validating again |
| `why` | kept permanently with the change |
| `dry_run` | on by default: only report in the return value of `replay` what would be done |

A correction is `{"topic", "partition", "offset", "value": {…the event…}}`.

**When it fails.** *nothing was changed: …* names each correction that is not a valid event or that matches no
quarantined record; it does not retry. Running it again is safe: released records are no longer in quarantine.

**Triggers** `compute_kpis` through the asset `raw`, only if something was replayed.
"""

from airflow.sdk import DAG, Param, get_current_context, task
from airflow.sdk.exceptions import AirflowSkipException

from shopnow.dag_common import DEFAULT_ARGS, RAW, Tag, lake_uri, no_retry_of_user_errors
from shopnow.events import TOPICS
from shopnow.lake.governance import corrections, quarantine

with DAG(
    dag_id="replay_quarantine",
    description="Quarantined records → events, after a fix",
    doc_md=__doc__,
    schedule=None,
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULT_ARGS,
    tags={Tag.SHOPNOW, Tag.MAINTENANCE},
    params={
        "topic": Param(None, type=["null", "string"], enum=[None, *TOPICS], title="Topic"),
        "reason": Param(
            None, type=["null", "string"], title="Reason", description="As `./shopnow quarantine` lists it."
        ),
        "corrections": Param([], type="array", items={"type": "object"}, title="Corrected payloads"),
        "why": Param("replayed after a fix", type="string", minLength=1, title="Why"),
        "dry_run": Param(
            True, type="boolean", title="Dry run", description="Only report what would be done."
        ),
    },
) as dag:

    @task
    def replay() -> list[dict]:
        """Return what was replayed and what is still invalid, by topic and reason."""
        context = get_current_context()
        params, lake = context["params"], lake_uri()
        options = {"why": params["why"], "by": context["run_id"], "dry_run": params["dry_run"]}
        if params["corrections"]:
            with no_retry_of_user_errors():
                corrected = corrections.parse(corrections.encode(params["corrections"]))
                payloads = corrections.check(lake, corrected)
            outcomes = quarantine.correct(lake, payloads, **options)
        else:
            outcomes = quarantine.replay(lake, params["topic"], params["reason"], **options)
        return [outcome._asdict() for outcome in outcomes]

    @task(outlets=[RAW])
    def publish(outcomes: list[dict]) -> int:
        """Return the number of replayed records."""
        replayed = sum(outcome["replayed"] for outcome in outcomes)
        if get_current_context()["params"]["dry_run"] or not replayed:
            raise AirflowSkipException("no record was replayed")
        return replayed

    publish(replay())
