"""The rule last_piece fires for the last piece of a product, and no other rule on the stock with it."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime

from labs.requirement import Requirement

from shopnow.alerts import rules
from shopnow.alerts.engine import compute_changes
from shopnow.alerts.model import Observation, State
from shopnow.settings import ROOT

RULE = "last_piece"
EXPECTED = {0: ["stock_out"], 1: [RULE], 2: ["low_stock"], 50: []}
"""The rules that fire, by pieces left."""


def requirements() -> Iterator[Requirement]:
    rule_set = rules.load()
    yield Requirement(
        f"rules.toml has the rule {RULE}",
        RULE in rule_set,
        f"add the table [{RULE}] to include/shopnow/alerts/rules.toml",
    )
    for quantity, expected in EXPECTED.items():
        fired = firing(rule_set, quantity)
        yield Requirement(
            f"with {quantity} left fires: {', '.join(expected) or 'nothing'}",
            fired == expected,
            f"{', '.join(fired) or 'nothing'} fires; compare threshold and inhibited_by of the rules on "
            "stock_quantity",
        )
    for language in ("en", "fr"):
        page = ROOT / "plugins" / "shopnow_tab_app" / "locales" / f"{language}.json"
        texts = json.loads(page.read_text(encoding="utf-8"))
        missing = [
            key for key in (f"alert_title_{RULE}", f"alert_todo_{RULE}") if not texts.get(key, "").strip()
        ]
        yield Requirement(
            f"the tab has its texts in {language}.json",
            not missing,
            f"add {', '.join(missing)} to plugins/shopnow_tab_app/locales/{language}.json",
        )


def firing(rule_set: dict[str, rules.Rule], quantity: int) -> list[str]:
    """Return the announced rules for a product with this many pieces left, sorted."""
    now = datetime.now(UTC)
    stock = Observation("stock_quantity", "p-001", "Mug", quantity, now, f"{quantity} left")
    changes = compute_changes(rule_set, {}, [stock], now, [])
    return sorted(
        change.alert.rule for change in changes if change.announced and change.alert.state == State.FIRING
    )
