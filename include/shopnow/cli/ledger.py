"""`ledger`: the ground truth of the simulated shop."""

from typing import Annotated, Any

import msgspec
import typer

from shopnow import connections
from shopnow.cli.output import Json, print_json, print_table, say
from shopnow.errors import UserError
from shopnow.events import TOPICS
from shopnow.settings import Settings
from shopnow.traffic import run_totals
from shopnow.traffic.catalogue import PRODUCTS
from shopnow.traffic.event_buffer import to_datetime
from shopnow.traffic.run_totals import CombinedTotals
from shopnow.traffic.state import Run

LATEST = 10
"""Maximum number of runs and stock-outs listed."""


def ledger(
    run: Annotated[
        str | None, typer.Option("--run", help="Only this run of generate_traffic, by run id.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Show the simulated shop's ground truth: records, revenue, injected faults, stock-outs, unmet demand."""
    runs, held_back = run_totals.read_runs(connections.kafka_conf(connections.load(Settings.load())))
    if run is not None:
        runs = [traffic_run for traffic_run in runs if traffic_run.run_id == run]
        if not runs:
            raise UserError(f"generate_traffic has no run {run!r}; ./shopnow ledger lists the latest runs")
    account = run_totals.combine(runs)
    if as_json:
        print_json(
            {
                "runs": [_run(traffic_run) for traffic_run in runs],
                "total": _account(account),
                "held_back": held_back,
            }
        )
    elif runs:
        _print_runs(runs)
        _print_account(account)
        if held_back:
            say(f"{held_back:,} records are held back; later runs send them when they are due.")
    else:
        say("generate_traffic has not run yet.")


def _run(run: Run) -> dict[str, Any]:
    return {
        "run_id": run.run_id,
        "asked": msgspec.to_builtins(run.config),
        "sessions": run.sessions,
        "done": run.done,
        "finished": run.finished,
        "start": _time(run.start),
        "end": _time(run.end),
        **_account(CombinedTotals(run.totals, run.stock_outs)),
    }


def _account(account: CombinedTotals) -> dict[str, Any]:
    """Return the totals in the form of the JSON output; amounts in cents."""
    return {
        **msgspec.to_builtins(account.totals),
        "net_revenue_cents": account.totals.net_revenue_cents,
        "stock_outs": [
            {
                "product_id": stock_out.product_id,
                "start": _time(stock_out.start),
                "end": stock_out.end and _time(stock_out.end),
            }
            for stock_out in account.stock_outs
        ],
    }


def _print_runs(runs: list[Run]) -> None:
    rows = [
        (
            run.run_id,
            run.config.scenario,
            _minute(run.start),
            f"{run.done:,} of {run.sessions:,}" if run.done < run.sessions else run.sessions,
            sum(run.totals.records.values()),
            run.totals.orders,
            sum(run.totals.faults.values()),
        )
        for run in runs[-LATEST:]
    ]
    title = f"Runs, the latest {LATEST} of {len(runs):,}" if len(runs) > LATEST else "Runs"
    print_table(title, ("run", "scenario", "from", "sessions", "records", "orders", "faults"), rows)


def _print_account(account: CombinedTotals) -> None:
    totals = account.totals
    events = [
        (topic, type_, count) for topic in TOPICS for type_, count in totals.events.get(topic, {}).items()
    ]
    print_table("Events", ("topic", "event", "count"), events)
    figures = (
        "orders",
        "units",
        "gmv_cents",
        "payments_failed",
        "payments_succeeded_cents",
        "refunds_cents",
        "net_revenue_cents",
    )
    print_table(
        "Figures",
        ("figure", "all days"),
        [(name.replace("_cents", ""), _figure(name, getattr(totals, name))) for name in figures],
    )
    if totals.faults:
        print_table("Injected faults", ("fault", "records"), sorted(totals.faults.items()))
    unmet = sorted(
        ((product_id, demand) for product_id, demand in totals.demand.items() if demand.unmet),
        key=lambda item: -item[1].lost,
    )
    rows = [(_name(product_id), demand.wanted, demand.unmet, demand.lost) for product_id, demand in unmet]
    print_table("Unmet demand", ("product", "units requested", "unavailable", "lost sales"), rows)
    outs = [
        (
            _name(stock_out.product_id),
            _minute(stock_out.start),
            _minute(stock_out.end) if stock_out.end else "ongoing",
        )
        for stock_out in account.stock_outs
    ]
    title = f"Stock-outs, the latest {LATEST} of {len(outs):,}" if len(outs) > LATEST else "Stock-outs"
    print_table(title, ("product", "from", "to"), outs[-LATEST:])


def _name(product_id: str) -> str:
    product = PRODUCTS.get(product_id)
    return product.name if product else product_id


def _figure(name: str, value: int) -> str:
    return f"€ {value / 100:,.2f}" if name.endswith("_cents") else f"{value:,}"


def _minute(at: int) -> str:
    return to_datetime(at).strftime("%Y-%m-%d %H:%M")


def _time(at: int) -> str:
    return to_datetime(at).isoformat(timespec="seconds")
