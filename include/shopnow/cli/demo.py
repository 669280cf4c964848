"""`demo`: the whole pipeline once, as DAG runs, followed to the end and proved."""

import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any

import httpx
import pandas as pd
import typer

from shopnow import connections
from shopnow.alerts import delivery
from shopnow.audit.verify import verify
from shopnow.broker.client import Conf
from shopnow.cli.output import complain, print_table, reporter, say
from shopnow.cli.pipeline import print_checks
from shopnow.cli.stack import say_where
from shopnow.errors import UserError
from shopnow.events import TOPICS
from shopnow.lake import lag, lineage, tables
from shopnow.platform import airflow, airflow_api, stack, supervision
from shopnow.settings import Settings
from shopnow.traffic import ledger

CHAIN = ("generate_traffic", "land_events", "compute_kpis", "watch_stock")
PATIENCE_SECONDS = 900


def demo(
    sessions: Annotated[int, typer.Option(min=1, max=1_000_000, help="Shoppers' sessions to simulate.")] = 600,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Same seed and same shop, same events; taken from the run's id by default.")
    ] = None,
) -> None:
    """Start everything, run the pipeline once on generated traffic, prove that nothing was lost or counted twice."""
    settings, report = Settings.load(), reporter()
    stack.up(settings, report)
    in_force = connections.load(settings)
    conf, lake = connections.kafka(in_force), connections.lake(in_force)
    with airflow_api.connect(settings) as api:
        since = datetime.now(UTC)
        run_id = airflow_api.trigger(api, CHAIN[0], {"sessions": sessions, "seed": seed})
        _follow(api, settings, since, run_id, lambda: _caught_up(conf, lake), report)
    checks = verify(conf, lake, report)
    _print_figures(conf, lake)
    print_checks(checks)
    say_where(settings)
    broken = [check for check in checks if not check.ok]
    if broken:
        complain(f"{broken[0].check}: {broken[0].detail}")
        sys.exit(1)


def _follow(
    api: httpx.Client,
    settings: Settings,
    since: datetime,
    run_id: str,
    caught_up: Callable[[], bool],
    report: Callable[[str, str], None],
) -> None:
    """Waits until the run is done and everything that follows from it is.

    Raises:
        UserError: a run of the chain failed, or it takes too long.
    """

    def done() -> bool:
        runs = {dag_id: airflow_api.runs(api, dag_id, since) for dag_id in CHAIN}
        for dag_id, its_runs in runs.items():
            for run in its_runs:
                if run["state"] == "failed":
                    raise UserError(f"{dag_id} failed: see {airflow.url(settings)}/dags/{dag_id}/runs/{run['dag_run_id']}")
            if its_runs:
                report(dag_id, its_runs[-1]["state"])
        first = next((run for run in runs[CHAIN[0]] if run["dag_run_id"] == run_id), None)
        if first is None or first["state"] != "success":
            return False
        if any(run["state"] != "success" for its_runs in runs.values() for run in its_runs) or not runs["watch_stock"]:
            return False
        return caught_up()

    if not supervision.wait_until(done, PATIENCE_SECONDS, interval=1):
        raise UserError(f"the pipeline is not done after {PATIENCE_SECONDS} s: see {airflow.url(settings)}/dags")


def _caught_up(conf: Conf, lake: str) -> bool:
    """Whether all that is in Kafka is landed, and all that is landed is in the events tables."""
    if lag.unread(conf, lake):
        return False
    for topic in TOPICS:
        if not tables.exists(lake, f"events/{topic}"):
            return False
        made_from = lineage.sources(lake, f"events/{topic}", tables.open_table(lake, f"events/{topic}").version())
        if made_from.get(f"raw/{topic}") != tables.open_table(lake, f"raw/{topic}").version():
            return False
    return True


def _print_figures(conf: Conf, lake: str) -> None:
    generated = ledger.totals(ledger.read(conf)).events
    rows = [
        (topic, sum(generated.get(topic, {}).values()), _count(lake, f"raw/{topic}"), _count(lake, f"events/{topic}")) for topic in TOPICS
    ]
    print_table("Events", ("topic", "generated", "landed", "events"), rows)

    sales, products = (_frame(lake, name) for name in ("kpi/sales_daily", "kpi/top_products"))
    totals = sales[["orders", "units", "gmv_cents", "refunds_cents", "net_revenue_cents"]].sum()
    print_table("Sales", ("figure", "all days"), [(name.replace("_cents", ""), _figure(name, value)) for name, value in totals.items()])

    top = products.groupby("product_name")[["units", "gmv_cents"]].sum().sort_values("gmv_cents", ascending=False).head(5)
    print_table(
        "Top products",
        ("product", "units", "revenue"),
        [(name, int(r.units), _figure("_cents", r.gmv_cents)) for name, r in top.iterrows()],
    )

    stock = _frame(lake, "kpi/stock_position")
    sent = delivery.sent(lake)
    print_table("Alerts sent", ("channel", "messages", "alerts"), [(each["channel"], each["messages"], each["alerts"]) for each in sent])
    age = (pd.Timestamp.now(tz=UTC) - sales["computed_at"].max()).total_seconds()
    say(f"{int(stock['stock_out'].sum())} of {len(stock)} products are sold out; the figures are {age:.0f} s old")


def _figure(name: str, value: Any) -> str:
    return f"€ {value / 100:,.2f}" if name.endswith("_cents") else f"{int(value):,}"


def _count(lake: str, name: str) -> int:
    return tables.open_table(lake, name).count()


def _frame(lake: str, name: str) -> pd.DataFrame:
    return tables.open_table(lake, name).to_pandas()
