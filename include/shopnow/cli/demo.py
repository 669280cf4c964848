"""`demo`: the whole pipeline once, as DAG runs, followed to the end and proved."""

import sys
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any

import httpx
import pandas as pd
import typer

from shopnow import connections
from shopnow.alerts import dispatcher
from shopnow.audit.verify import verify
from shopnow.broker.client import Conf
from shopnow.cli.output import complain, print_table, reporter, say
from shopnow.cli.pipeline import print_checks
from shopnow.cli.stack import say_where
from shopnow.errors import UserError
from shopnow.events import TOPICS
from shopnow.kpis import KPIS
from shopnow.lake.delta import tables
from shopnow.lake.delta.tables import Table
from shopnow.lake.ingest import lag
from shopnow.lake.lineage import lineage
from shopnow.local_stack import airflow, airflow_api, stack
from shopnow.local_stack.stack import Report
from shopnow.settings import Settings
from shopnow.traffic import run_totals

CHAIN = ("generate_traffic", "land_events", "compute_kpis", "watch_stock")
PATIENCE_SECONDS = 900


def demo(
    sessions: Annotated[
        int, typer.Option(min=1, max=1_000_000, help="Shoppers' sessions to simulate.")
    ] = 600,
    seed: Annotated[
        int | None,
        typer.Option(min=0, help="Same seed and same shop, same events; taken from the run's id by default."),
    ] = None,
) -> None:
    """Start everything, run the pipeline once on generated traffic, prove that nothing was lost or counted twice."""
    settings, report = Settings.load(), reporter()
    stack.up(settings, report)
    in_force = connections.load(settings)
    conf, lake = connections.kafka_conf(in_force), connections.lake_uri(in_force)
    with airflow_api.connect(settings) as api:
        since = datetime.now(UTC)
        run_id = airflow_api.trigger(api, CHAIN[0], {"sessions": sessions, "seed": seed})
        _follow(api, settings, since, run_id, conf, lake, report)
    checks = verify(conf, lake, report)
    _print_figures(conf, lake)
    print_checks(checks)
    say_where(settings)
    broken = [check for check in checks if not check.ok]
    if broken:
        complain(f"{broken[0].check}: {broken[0].detail}")
        sys.exit(1)


def _follow(
    api: httpx.Client, settings: Settings, since: datetime, run_id: str, conf: Conf, lake: str, report: Report
) -> None:
    """Waits until what the run sent is landed, computed and looked at for alerts; more may come behind it meanwhile.

    Raises:
        UserError: a run of the chain failed, or it takes too long.
    """

    def reached(step: Callable[[], Any]) -> Any:
        """What the step gives, once it gives anything; meanwhile the runs' progress is told and failures are noticed."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not (found := step()):
            if time.monotonic() > deadline:
                raise UserError(
                    f"the pipeline is not done after {PATIENCE_SECONDS} s: see {airflow.url(settings)}/dags"
                )
            for dag_id in CHAIN:
                runs = airflow_api.runs(api, dag_id, since)
                for run in runs:
                    if run["state"] == "failed":
                        raise UserError(
                            f"{dag_id} failed: see {airflow.url(settings)}/dags/{dag_id}/runs/{run['dag_run_id']}"
                        )
                if runs:
                    states = Counter(run["state"] for run in runs)
                    report(dag_id, ", ".join(f"{count} {state}" for state, count in states.items()))
            time.sleep(2)
        return found

    def succeeded(dag_id: str, started_after: datetime) -> list[str]:
        runs = [run for run in airflow_api.runs(api, dag_id, since) if run["state"] == "success"]
        return [
            run["dag_run_id"] for run in runs if datetime.fromisoformat(run["start_date"]) >= started_after
        ]

    reached(lambda: run_id in succeeded("generate_traffic", since))
    sent = {each[:3]: each.stable for each in lag.positions(conf, lake)}
    landed = reached(lambda: _landed(conf, lake, sent))
    report("landed", "all that was sent")
    computed = reached(lambda: _computed(lake, landed))
    report("computed", "all that was landed")
    reached(lambda: succeeded("watch_stock", computed))
    report("watch_stock", "success")


def _landed(conf: Conf, lake: str, sent: dict[tuple[str, str, int], int]) -> dict[str, int]:
    """The versions of the raw tables that hold everything up to these offsets; empty while they do not."""
    if any((each.landed or 0) < sent[each[:3]] for each in lag.positions(conf, lake)):
        return {}
    return {
        f"raw/{topic}": Table(lake, f"raw/{topic}").version()
        for topic in TOPICS
        if Table(lake, f"raw/{topic}").exists()
    }


def _computed(lake: str, landed: dict[str, int]) -> datetime | None:
    """When the last KPI was brought up to date with all of these raw versions; None while one is not."""
    for raw, version in landed.items():
        events = f"events/{raw.removeprefix('raw/')}"
        if (
            not Table(lake, events).exists()
            or lineage.sources(Table(lake, events), Table(lake, events).version()).get(raw, -1) < version
        ):
            return None
    committed = []
    for kpi in KPIS:
        if not Table(lake, kpi.name).exists():
            return None
        table = Table(lake, kpi.name).open()
        made_from = lineage.sources(Table(lake, kpi.name), table.version())
        for source in kpi.sources:
            if lineage.is_changed(
                Table(lake, source.table),
                made_from.get(source.table),
                Table(lake, source.table).version(),
            ):
                return None
        committed.append(table.history(1)[0]["timestamp"])
    return datetime.fromtimestamp(max(committed) / 1000, UTC)


def _print_figures(conf: Conf, lake: str) -> None:
    generated = run_totals.combine(run_totals.read_runs(conf).runs).totals.records
    rows = [
        (
            topic,
            generated.get(topic, 0),
            _count(Table(lake, f"raw/{topic}")),
            _count(Table(lake, f"events/{topic}")),
        )
        for topic in TOPICS
    ]
    print_table("Events", ("topic", "generated", "landed", "events"), rows)

    sales, products = (_frame(Table(lake, name)) for name in ("kpi/sales_daily", "kpi/top_products"))
    totals = sales[["orders", "units", "gmv_cents", "refunds_cents", "net_revenue_cents"]].sum()
    print_table(
        "Sales",
        ("figure", "all days"),
        [(name.replace("_cents", ""), _figure(name, value)) for name, value in totals.items()],
    )

    top = (
        products.groupby("product_name")[["units", "gmv_cents"]]
        .sum()
        .sort_values("gmv_cents", ascending=False)
        .head(5)
    )
    print_table(
        "Top products",
        ("product", "units", "revenue"),
        [(name, int(r.units), _figure("_cents", r.gmv_cents)) for name, r in top.iterrows()],
    )

    stock = _frame(Table(lake, "kpi/stock_position"))
    sent = dispatcher.sent(lake)
    print_table(
        "Alerts sent",
        ("channel", "messages", "alerts"),
        [(each["channel"], each["messages"], each["alerts"]) for each in sent],
    )
    age = (pd.Timestamp.now(tz=UTC) - sales["computed_at"].max()).total_seconds()
    say(
        f"{int(stock['stock_out'].sum())} of {len(stock)} products are sold out; the figures are {age:.0f} s old"
    )


def _figure(name: str, value: Any) -> str:
    return f"€ {value / 100:,.2f}" if name.endswith("_cents") else f"{int(value):,}"


def _count(table: Table) -> int:
    return table.open().count()


def _frame(table: Table) -> pd.DataFrame:
    return tables.read(table.open()).to_pandas()
