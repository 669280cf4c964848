"""Restock proposals derived from the rows of the alert log."""

from datetime import UTC, datetime

from shopnow.alerts import alert_log, proposals
from shopnow.alerts.evaluate import evaluate
from shopnow.alerts.proposals import ProposalState, read_proposals


def rows(lake: str) -> list[alert_log.Row]:
    return alert_log.read_rows(alert_log.open_table(lake), "alert", "proposal")


def test_a_new_stock_alert_is_proposed_once(lake, stock, table):
    stock({"Mug": 2, "Bowl": 0})
    cover = {
        "product_name": "Mug",
        "quantity": 2,
        "days_of_cover": 0.7,
        "computed_at": datetime(2026, 7, 1, tzinfo=UTC),
    }
    table(
        "kpi/stock_cover",
        [{"product_id": "mug", "demand_per_day": 3.0, "lead_time_days": 4.5, "reorder_point": 18, **cover}],
    )
    key = evaluate(lake, "run-1")["dedup_key"]
    proposed = {proposal.product_id: proposal for proposal in read_proposals(rows(lake))}
    assert {product: proposal.rule for product, proposal in proposed.items()} == {
        "mug": "short_cover",
        "bowl": "stock_out",
    }
    assert {(proposal.dedup_key, proposal.state) for proposal in proposed.values()} == {
        (key, ProposalState.WAITING)
    }
    evaluate(lake, "run-2")
    assert {proposal.product_id: proposal for proposal in read_proposals(rows(lake))} == proposed


def test_a_product_is_proposed_once_until_all_its_alerts_are_resolved(lake, stock):
    proposed = []
    for quantity in (2, 0, 100, 0):
        stock({"Mug": quantity})
        evaluate(lake, f"run-{len(proposed)}")
        proposed.append([proposal.rule for proposal in read_proposals(rows(lake))])
    assert proposed == [["low_stock"], ["low_stock"], [], ["stock_out"]]


def test_an_open_proposal_that_does_not_hold_is_kept_until_it_is_closed(lake, stock):
    stock({"Mug": 0})
    evaluate(lake, "run-1")
    [proposal] = read_proposals(rows(lake))
    now = datetime.now(UTC)
    alert_log.append(lake, [proposal.row(ProposalState.OPEN, 2, now)])
    stock({"Mug": 50})
    evaluate(lake, "run-2")
    stock({"Mug": 0})
    evaluate(lake, "run-3")
    first, second = sorted(read_proposals(rows(lake)), key=lambda proposal: proposal.holds)
    assert (first.dedup_key, first.holds, first.state) == (proposal.dedup_key, False, ProposalState.OPEN)
    assert (second.holds, second.state) == (True, ProposalState.WAITING)
    alert_log.append(lake, [first.row(ProposalState.CLOSED, 9, now, "the alert is resolved")])
    assert read_proposals(rows(lake)) == [second]


def test_the_proposals_beyond_the_open_ones_wait(lake, stock):
    stock({f"Mug {number}": 0 for number in range(proposals.MAX_OPEN + 3)})
    evaluate(lake, "run-1")
    found = read_proposals(rows(lake))
    assert proposals.count_waiting(found) == 3
    assert proposals.count_waiting([found[0]._replace(state=ProposalState.CLOSED), *found[1:]]) == 2
    assert proposals.count_waiting(found[:2]) == 0
