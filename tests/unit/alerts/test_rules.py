"""The rules file: its contents, and the errors for mistakes in it."""

from datetime import timedelta
from pathlib import Path

import pytest

from shopnow.alerts import rules
from shopnow.alerts.metrics import METRICS
from shopnow.errors import UserError


def test_the_default_rules_are_valid():
    loaded = rules.load()
    assert {rule.metric for rule in loaded.values()} == set(METRICS)
    stock_out, low_stock = loaded["stock_out"], loaded["low_stock"]
    assert (stock_out.threshold, stock_out.severity, stock_out.repeat_interval) == (
        0,
        "critical",
        timedelta(days=1),
    )
    assert (low_stock.threshold, low_stock.about) == (5, "product")
    assert "stock_out" in low_stock.inhibited_by
    assert "data_incomplete" in loaded["sales_drop"].inhibited_by


RULE = """looks_at = "stock_quantity"
fires = "at_most"
threshold = 5
severity = "warning"
owner = "purchasing"
channels = ["email"]
repeat_after = "1d"
title = "Low"
todo = "Reorder."
resolved_title = "Fine"
"""
CYCLE = "".join(
    f'[{name}]\n{RULE}inhibited_by = ["{other}"]\n'
    for name, other in (("one", "two"), ("two", "three"), ("three", "one"))
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "no rule in it"),
        ("[low_stock", "not TOML"),
        (
            "[low_stock]\n" + RULE.replace("= 5", '= "five"'),
            r"low_stock: Expected `float`, got `str` - at `threshold`",
        ),
        (
            "[low_stock]\n" + RULE + "hysteresis = -1\n",
            r"low_stock: Expected `float` >= 0.0 - at `hysteresis`",
        ),
        (
            "[low_stock]\n" + RULE.replace("warning", "bad"),
            r"low_stock: Invalid enum value 'bad' - at `severity`",
        ),
        (
            "[low_stock]\n" + RULE.replace("at_most", "below"),
            r"low_stock: Invalid enum value 'below' - at `fires`",
        ),
        (
            "[low_stock]\n" + RULE.replace("1d", "daily"),
            r"low_stock: Expected `str` matching regex .* - at `repeat_after`",
        ),
        (
            "[low_stock]\n" + RULE.replace('["email"]', "[]"),
            r"low_stock: Expected `array` of length >= 1 - at `channels`",
        ),
        ("[low_stock]\n" + RULE + "treshold = 1\n", r"low_stock: Object contains unknown field `treshold`"),
        ("[low_stock]\nthreshold = 5\n", r"low_stock: Object missing required field `looks_at`"),
        ('["low stock"]\n' + RULE, "is not a valid rule name"),
        ("low_stock = 5", r"low_stock: Expected `object`, got `int`"),
        (
            "[low_stock]\n" + RULE.replace("stock_quantity", "stock"),
            r"low_stock: looks_at has 'stock'; expected one of: stock_quantity, ",
        ),
        (
            "[low_stock]\n" + RULE.replace("email", "pager"),
            r"low_stock: channels has 'pager'; expected one of: email, slack",
        ),
        (
            "[low_stock]\n" + RULE + 'inhibited_by = ["sold_out"]\n',
            "low_stock: inhibited_by has 'sold_out'; expected one of: none",
        ),
        (
            "[low_stock]\n" + RULE + 'inhibited_by = ["low_stock"]\n',
            "low_stock: inhibited_by has 'low_stock'",
        ),
        (CYCLE, "one: inhibited_by leads back to one"),
    ],
)
def test_a_mistake_is_reported_in_one_line(tmp_path: Path, text: str, expected: str):
    file = tmp_path / "rules.toml"
    file.write_text(text)
    with pytest.raises(UserError, match=expected) as caught:
        rules.load(file)
    assert "rules.toml" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path):
    with pytest.raises(UserError, match="No such file"):
        rules.load(tmp_path / "rules.toml")
