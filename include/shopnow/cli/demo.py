"""`demo`: run the whole pipeline once, follow its DAG runs to the end and prove the result."""

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
from shopnow.cli.stack import say_endpoints
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
TIMEOUT_SECONDS = 900


def demo(
    sessions: Annotated[
        int, typer.Option(min=1, max=1_000_000, help="Number of shopper sessions to simulate.")
    ] = 600,
    seed: Annotated[
        int | None,
        typer.Option(
            min=0, help="Seed of the events (same seed and shop, same events); by default from the run's id."
        ),
    ] = None,
) -> None:
    """Start everything, run the pipeline once on generated traffic, and prove that the result is exact."""
    settings, report = Settings.load(), reporter()
    stack.up(settings, report)
    active = connections.load(settings)
    conf, lake = connections.kafka_conf(active), connections.lake_uri(active)
    with airflow_api.connect(settings) as api:
        since = datetime.now(UTC)
        run_id = airflow_api.trigger(api, CHAIN[0], {"sessions": sessions, "seed": seed})
        _follow(api, settings, since, run_id, conf, lake, report)
    checks = verify(conf, lake, report)
    _print_figures(conf, lake)
    print_checks(checks)
    say_endpoints(settings)
    broken = [check for check in checks if not check.ok]
    if broken:
        complain(f"{broken[0].check}: {broken[0].detail}")
        sys.exit(1)


def _follow(
    api: httpx.Client, settings: Settings, since: datetime, run_id: str, conf: Conf, lake: str, report: Report
) -> None:
    """Wait until the events sent by the run are landed, computed and checked for alerts.

    Raises:
        UserError: a DAG run of the chain failed, or it exceeded TIMEOUT_SECONDS.
    """
    dags_url = f"{airflow.base_url(settings)}/dags"

    def wait_for(step: Callable[[], Any]) -> Any:
        """Poll a step until its result is truthy; report the progress of the DAG runs in between."""
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while not (result := step()):
            if time.monotonic() > deadline:
                raise UserError(f"the pipeline is not done after {TIMEOUT_SECONDS} s: see {dags_url}")
            for dag_id in CHAIN:
                runs = airflow_api.list_runs(api, dag_id, since)
                for run in runs:
                    if run["state"] == "failed":
                        raise UserError(f"{dag_id} failed: see {dags_url}/{dag_id}/runs/{run['dag_run_id']}")
                if runs:
                    states = Counter(run["state"] for run in runs)
                    report(dag_id, ", ".join(f"{count} {state}" for state, count in states.items()))
            time.sleep(2)
        return result

    def succeeded(dag_id: str, started_after: datetime) -> list[str]:
        runs = [run for run in airflow_api.list_runs(api, dag_id, since) if run["state"] == "success"]
        return [
            run["dag_run_id"] for run in runs if datetime.fromisoformat(run["start_date"]) >= started_after
        ]

    wait_for(lambda: run_id in succeeded("generate_traffic", since))
    sent = {position[:3]: position.stable for position in lag.positions(conf, lake)}
    landed = wait_for(lambda: _landed_versions(conf, lake, sent))
    report("landed", "all events sent")
    computed = wait_for(lambda: _computed_at(lake, landed))
    report("computed", "all events landed")
    wait_for(lambda: succeeded("watch_stock", computed))
    report("watch_stock", "success")


def _landed_versions(conf: Conf, lake: str, sent: dict[tuple[str, str, int], int]) -> dict[str, int]:
    """Return the raw tables' versions that hold all records up to these offsets; empty until they do."""
    if any((position.landed or 0) < sent[position[:3]] for position in lag.positions(conf, lake)):
        return {}
    raw_tables = [Table(lake, f"raw/{topic}") for topic in TOPICS]
    return {raw.name: raw.version() for raw in raw_tables if raw.exists()}


def _computed_at(lake: str, landed: dict[str, int]) -> datetime | None:
    """Return when the last KPI caught up with these raw versions; None while one has not."""
    for raw, version in landed.items():
        events = Table(lake, f"events/{raw.removeprefix('raw/')}")
        if not events.exists() or lineage.sources(events, events.version()).get(raw, -1) < version:
            return None
    committed = []
    for kpi in KPIS:
        table = Table(lake, kpi.name)
        snapshot = table.open_if_exists()
        if snapshot is None:
            return None
        materialized = lineage.sources(table, snapshot.version())
        for source in kpi.sources:
            source_table = Table(lake, source.table)
            if lineage.is_changed(source_table, materialized.get(source.table), source_table.version()):
                return None
        committed.append(snapshot.history(1)[0]["timestamp"])
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
    sent = dispatcher.sent_totals(lake)
    print_table(
        "Alerts sent",
        ("channel", "messages", "alerts"),
        [(channel["channel"], channel["messages"], channel["alerts"]) for channel in sent],
    )
    age = (pd.Timestamp.now(tz=UTC) - sales["computed_at"].max()).total_seconds()
    sold_out = int(stock["stock_out"].sum())
    say(f"{sold_out} of {len(stock)} products are sold out; the figures are {age:.0f} s old")


def _figure(name: str, value: Any) -> str:
    return f"€ {value / 100:,.2f}" if name.endswith("_cents") else f"{int(value):,}"


def _count(table: Table) -> int:
    return table.open().count()


def _frame(table: Table) -> pd.DataFrame:
    return tables.read(table.open()).to_pandas()
