"""`ledger`: what the simulated shop truly did."""

from typing import Annotated, Any

import msgspec
import typer

from shopnow import connections
from shopnow.cli.output import Json, print_json, print_table, say
from shopnow.errors import UserError
from shopnow.settings import Settings
from shopnow.traffic import accounts
from shopnow.traffic.accounts import Account
from shopnow.traffic.catalogue import PRODUCTS
from shopnow.traffic.journal import moment
from shopnow.traffic.state import Run

RUNS = 10
"""How many are listed."""


def ledger(
    run: Annotated[str | None, typer.Option("--run", help="Only this run of generate_traffic, by its id.")] = None,
    as_json: Json = False,
) -> None:
    """Show what the simulated shop truly did: records, revenue, faults made on purpose, stock-outs, demand that was not met."""
    runs = accounts.runs(connections.kafka(connections.load(Settings.load())))
    if run is not None:
        runs = [each for each in runs if each.run_id == run]
        if not runs:
            raise UserError(f"run {run!r}: generate_traffic has made none of that id; ./shopnow ledger lists the latest")
    account = accounts.total(runs)
    if as_json:
        print_json({"runs": [_run(each) for each in runs], "total": _account(account)})
    elif runs:
        _print_runs(runs)
        _print_account(account)
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
        **_account(Account(run.totals, run.stock_outs)),
    }


def _account(account: Account) -> dict[str, Any]:
    """As JSON has it; amounts are cents."""
    return {
        **msgspec.to_builtins(account.totals),
        "net_revenue_cents": account.totals.net_revenue_cents,
        "stock_outs": [
            {"product_id": each.product_id, "start": _time(each.start), "end": each.end and _time(each.end)} for each in account.stock_outs
        ],
    }


def _print_runs(runs: list[Run]) -> None:
    rows = [
        (
            run.run_id,
            run.asked.scenario,
            _time(run.start),
            _time(run.end),
            f"{run.done:,} of {run.sessions:,}" if run.done < run.sessions else f"{run.sessions:,}",
            sum(run.totals.records.values()),
            run.totals.orders,
            sum(run.totals.faults.values()),
        )
        for run in runs[-RUNS:]
    ]
    title = f"Runs, the latest {RUNS} of {len(runs):,}" if len(runs) > RUNS else "Runs"
    print_table(title, ("run", "scenario", "from", "to", "sessions", "records", "orders", "faults"), rows)


def _print_account(account: Account) -> None:
    totals = account.totals
    events = [(topic, type_, count) for topic, types in totals.events.items() for type_, count in types.items()]
    print_table("What happened", ("topic", "event", "times"), events)
    figures = ("orders", "units", "gmv_cents", "payments_failed", "payments_succeeded_cents", "refunds_cents", "net_revenue_cents")
    print_table("Figures", ("figure", "all days"), [(name.replace("_cents", ""), _figure(name, getattr(totals, name))) for name in figures])
    if totals.faults:
        print_table("Faults on purpose", ("fault", "records"), sorted(totals.faults.items()))
    short = sorted(((name, each) for name, each in totals.demand.items() if each.unmet), key=lambda item: -item[1].lost)
    print_table(
        "Demand that was not met",
        ("product", "pieces wanted", "not there", "sales lost"),
        [(_name(name), *_counts(each)) for name, each in short],
    )
    outs = [(_name(each.product_id), _time(each.start), _time(each.end) if each.end else "still") for each in account.stock_outs[-RUNS:]]
    title = f"Stock-outs, the latest {RUNS} of {len(account.stock_outs):,}" if len(account.stock_outs) > RUNS else "Stock-outs"
    print_table(title, ("product", "from", "to"), outs)


def _counts(demand: Any) -> tuple[int, ...]:
    return tuple(getattr(demand, name) for name in demand.__struct_fields__)


def _name(product_id: str) -> str:
    product = PRODUCTS.get(product_id)
    return product.name if product else product_id


def _figure(name: str, value: int) -> str:
    return f"€ {value / 100:,.2f}" if name.endswith("_cents") else f"{value:,}"


def _time(at: int) -> str:
    return moment(at).isoformat(timespec="seconds")
