"""
### Let records out of quarantine after a fix

Checks quarantined records again with the event definitions as they are now, and lets go those that are valid, or takes
corrected payloads that an operator gives. The bytes that came are kept; each record becomes an event exactly once. The
same as `./shopnow quarantine replay`; `./shopnow quarantine` lists what there is.

**Runs** by hand, with params:

| param | |
|---|---|
| `topic`, `reason` | only records of this topic, or with this reason |
| `corrections` | a list of `{"topic", "partition", "offset", "value": {…the event…}}`, taken instead of checking again |
| `why` | kept with the change for ever |
| `dry_run` | on by default: only say in `replay`'s return value what would be done |

**When it fails.** *nothing was changed: …* names each correction that is no valid event or that no record in quarantine is
for. Running it again is safe: what has left the quarantine is not there any more.

**Wakes** `compute_kpis`, by the asset `raw`, only if something was replayed.
"""

from airflow.sdk import DAG, Param, get_current_context, task
from airflow.sdk.exceptions import AirflowSkipException

from shopnow.dag_common import DEFAULTS, RAW, Tag, lake_uri
from shopnow.events import TOPICS
from shopnow.lake.governance import corrections, quarantine

with DAG(
    dag_id="replay_quarantine",
    description="quarantined records → events, after a fix",
    doc_md=__doc__,
    schedule=None,
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULTS,
    tags={Tag.SHOPNOW, Tag.MAINTENANCE},
    params={
        "topic": Param(None, type=["null", "string"], enum=[None, *TOPICS], title="Topic"),
        "reason": Param(
            None, type=["null", "string"], title="Reason", description="as `./shopnow quarantine` lists it"
        ),
        "corrections": Param([], type="array", items={"type": "object"}, title="Corrected payloads"),
        "why": Param("replayed after a fix", type="string", minLength=1, title="Why"),
        "dry_run": Param(True, type="boolean", title="Only say what would be done"),
    },
) as dag:

    @task
    def replay() -> list[dict]:
        """What was replayed and what is still bad, by topic and reason."""
        context = get_current_context()
        params, lake = context["params"], lake_uri()
        how = {"why": params["why"], "by": context["run_id"], "dry_run": params["dry_run"]}
        if params["corrections"]:
            outcomes = quarantine.correct(lake, corrections.check(lake, params["corrections"]), **how)
        else:
            outcomes = quarantine.replay(lake, params["topic"], params["reason"], **how)
        return [each._asdict() for each in outcomes]

    @task(outlets=[RAW])
    def publish(outcomes: list[dict]) -> int:
        """How many records were replayed."""
        replayed = sum(each["replayed"] for each in outcomes)
        if get_current_context()["params"]["dry_run"] or not replayed:
            raise AirflowSkipException("nothing was replayed")
        return replayed

    publish(replay())
