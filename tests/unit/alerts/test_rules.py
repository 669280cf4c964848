"""The rules file: what it says, and what it answers to a mistake."""

from pathlib import Path

import pytest

from shopnow.alerts import rules
from shopnow.errors import UserError


def test_the_rules_that_come_with_it():
    loaded = rules.load()
    assert list(loaded) == ["stock_out", "low_stock"]
    assert (loaded["stock_out"].threshold, loaded["stock_out"].severity) == (0, "critical")
    assert (loaded["low_stock"].threshold, loaded["low_stock"].inhibited_by) == (5, ("stock_out",))


RULE = 'severity = "warning"\nthreshold = 5\ntitle = "Low"\ntodo = "Reorder."\nresolved_title = "Fine"\n'


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "there is no rule"),
        ("[low_stock", "not TOML"),
        ("[low_stock]\n" + RULE.replace("5", '"five"'), r"low_stock: Expected `int`, got `str` - at `threshold`"),
        ("[low_stock]\n" + RULE.replace("5", "-1"), r"low_stock: Expected `int` >= 0 - at `threshold`"),
        ("[low_stock]\n" + RULE.replace("warning", "bad"), r"low_stock: Invalid enum value 'bad' - at `severity`"),
        ("[low_stock]\n" + RULE + "treshold = 1\n", r"low_stock: Object contains unknown field `treshold`"),
        ("[low_stock]\nthreshold = 5\n", r"low_stock: Object missing required field `severity`"),
        ('["low stock"]\n' + RULE, "is no name for a rule"),
        ("low_stock = 5", r"low_stock: Expected `object`, got `int`"),
        ("[low_stock]\n" + RULE + 'inhibited_by = ["sold_out"]\n', "inhibited_by 'sold_out', which is no other rule"),
        ("[low_stock]\n" + RULE + 'inhibited_by = ["low_stock"]\n', "inhibited_by 'low_stock', which is no other rule"),
    ],
)
def test_a_mistake_is_named_in_one_line(tmp_path: Path, text: str, says: str):
    file = tmp_path / "rules.toml"
    file.write_text(text)
    with pytest.raises(UserError, match=says) as caught:
        rules.load(file)
    assert "rules.toml" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path):
    with pytest.raises(UserError, match="No such file"):
        rules.load(tmp_path / "rules.toml")
