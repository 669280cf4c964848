"""`ledger`: what the simulated shop truly did."""

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
"""How many runs and stock-outs are listed."""


def ledger(
    run: Annotated[
        str | None, typer.Option("--run", help="Only this run of generate_traffic, by its id.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Show what the simulated shop truly did: records, revenue, faults made on purpose, stock-outs, demand that was not met."""
    runs, held_back = run_totals.read_runs(connections.kafka_conf(connections.load(Settings.load())))
    if run is not None:
        runs = [each for each in runs if each.run_id == run]
        if not runs:
            raise UserError(
                f"run {run!r}: generate_traffic has made none of that id; ./shopnow ledger lists the latest"
            )
    account = run_totals.combine(runs)
    if as_json:
        print_json(
            {"runs": [_run(each) for each in runs], "total": _account(account), "held_back": held_back}
        )
    elif runs:
        _print_runs(runs)
        _print_account(account)
        if held_back:
            say(f"{held_back:,} records are held back: the runs to come send them when they are due.")
    else:
        say("generate_traffic has made nothing yet.")


def _run(run: Run) -> dict[str, Any]:
    return {
        "run_id": run.run_id,
        "asked": msgspec.to_builtins(run.asked),
        "sessions": run.sessions,
        "done": run.done,
        "finished": run.finished,
        "start": _time(run.start),
        "end": _time(run.end),
        **_account(CombinedTotals(run.totals, run.stock_outs)),
    }


def _account(account: CombinedTotals) -> dict[str, Any]:
    """As JSON has it; amounts are cents."""
    return {
        **msgspec.to_builtins(account.totals),
        "net_revenue_cents": account.totals.net_revenue_cents,
        "stock_outs": [
            {"product_id": each.product_id, "start": _time(each.start), "end": each.end and _time(each.end)}
            for each in account.stock_outs
        ],
    }


def _print_runs(runs: list[Run]) -> None:
    rows = [
        (
            run.run_id,
            run.asked.scenario,
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
    print_table("What happened", ("topic", "event", "times"), events)
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
        print_table("Faults on purpose", ("fault", "records"), sorted(totals.faults.items()))
    short = sorted(
        ((name, each) for name, each in totals.demand.items() if each.unmet), key=lambda item: -item[1].lost
    )
    demand = [(_name(product_id), each.wanted, each.unmet, each.lost) for product_id, each in short]
    print_table("Demand that was not met", ("product", "pieces wanted", "not there", "sales lost"), demand)
    outs = [
        (_name(each.product_id), _minute(each.start), _minute(each.end) if each.end else "still")
        for each in account.stock_outs
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
