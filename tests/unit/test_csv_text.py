"""CSV text: rows, and formulas that must not run in a spreadsheet."""

import pytest

from shopnow import csv_text


@pytest.mark.parametrize("text", ["=1+1", "+1+1", "-2+3", "@SUM(A1)", "\t=1+1", "\r=1", "\n=1"])
def test_a_formula_is_escaped(text):
    assert csv_text.escape_formula(text) == f"'{text}"


@pytest.mark.parametrize("value", [-1, -1.5, "-1.50", "+3", "Mug", "", None, "a=b"])
def test_other_values_are_unchanged(value):
    assert csv_text.escape_formula(value) == value


def test_a_file_has_a_byte_order_mark_and_a_header():
    content = csv_text.encode_file(["name", "units"], [["Tasse, blau", 1], ["=2", None]])
    assert content == b'\xef\xbb\xbfname,units\r\n"Tasse, blau",1\r\n\'=2,\r\n'
