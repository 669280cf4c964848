"""What each run of the generator came to, and all of them together, without reading the ledger row by row.

A run's totals are worked out from its ledger rows in the transaction that writes them, and kept with the run in `shop_state`.
"""

from collections.abc import Iterable
from typing import NamedTuple

from shopnow.broker.client import Conf
from shopnow.broker.topics import SHOP_STATE
from shopnow.traffic import state_reader
from shopnow.traffic.ledger_totals import LedgerTotals
from shopnow.traffic.state import Run, StockOut, from_records


class CombinedTotals(NamedTuple):
    totals: LedgerTotals
    stock_outs: list[StockOut]
    """By when they began."""


class ShopRuns(NamedTuple):
    runs: list[Run]
    """By the time they simulate."""
    held_back: int
    """Records that runs to come will send, when they are due."""


def read_runs(conf: Conf) -> ShopRuns:
    """What there is now.

    Raises:
        UserError: another version of the generator wrote it, the topic is missing, or Kafka does not answer.
    """
    state = from_records(state_reader.read(conf, SHOP_STATE))
    return ShopRuns(
        sorted(state.runs.values(), key=lambda run: (run.start, run.end, run.run_id)), len(state.held)
    )


def combine(runs: Iterable[Run]) -> CombinedTotals:
    """All of these runs in one; a stock-out that began in one and ended in another is one."""
    totals = LedgerTotals()
    stock_outs: dict[tuple[int, str], StockOut] = {}
    for run in runs:
        totals.add(run.totals)
        for each in run.stock_outs:
            if each.end is not None or (each.start, each.product_id) not in stock_outs:
                stock_outs[each.start, each.product_id] = each
    return CombinedTotals(totals, [stock_outs[place] for place in sorted(stock_outs)])
