"""Totals of the generator's runs, without reading the ledger.

A run's totals are computed from its ledger rows in the transaction that writes them, and stored in
`shop_state`.
"""

from collections.abc import Iterable
from typing import NamedTuple

from shopnow.broker.client import Conf
from shopnow.broker.topics import SHOP_STATE
from shopnow.traffic import state_reader
from shopnow.traffic.ledger_totals import LedgerTotals
from shopnow.traffic.state import Run, StockOut, from_records


class CombinedTotals(NamedTuple):
    """Totals and stock-outs of several runs."""

    totals: LedgerTotals
    stock_outs: list[StockOut]
    """Sorted by start."""


class ShopRuns(NamedTuple):
    """All runs of the shop."""

    runs: list[Run]
    """Sorted by the simulated period."""
    held_back: int
    """Number of held-back records that later runs will send."""


def read_runs(conf: Conf) -> ShopRuns:
    """Read the runs as of the last committed transaction.

    Raises:
        UserError: another version wrote the state, the topic does not exist, or Kafka does not respond.
    """
    state = from_records(state_reader.read(conf, SHOP_STATE))
    return ShopRuns(
        sorted(state.runs.values(), key=lambda run: (run.start, run.end, run.run_id)), len(state.held)
    )


def combine(runs: Iterable[Run]) -> CombinedTotals:
    """Combine runs; a stock-out that began in one run and ended in another is counted once."""
    totals = LedgerTotals()
    stock_outs: dict[tuple[int, str], StockOut] = {}
    for run in runs:
        totals.add(run.totals)
        for stock_out in run.stock_outs:
            key = (stock_out.start, stock_out.product_id)
            if stock_out.end is not None or key not in stock_outs:
                stock_outs[key] = stock_out
    return CombinedTotals(totals, [stock_outs[key] for key in sorted(stock_outs)])
