"""Stock on hand as the ledger has it."""

from shopnow.broker.client import Conf
from shopnow.traffic import ledger, ledger_totals
from shopnow.traffic.generate import load_state
from shopnow.traffic.ledger_totals import DUPLICATE


def of_ledger(conf: Conf) -> dict[str, int]:
    """Return the stock by product id: the changes in the ledger and those whose records are held back."""
    changes = ledger_totals.from_rows(ledger.read_batches(conf)).stock_changes
    for record in load_state(conf).held:
        _, product_id, change, _, _ = record.fields
        if product_id and record.fault != DUPLICATE:
            changes[product_id] += change
    return changes
