"""Tables as their reader sees them: which columns, and their values as text of a language."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any, NamedTuple

from shopnow_tab_app.i18n import Translator

NO_VALUE = "–"
CENT = Decimal("0.01")
TEXT_SCOPES = {"title": "alert_title", "facts": "alert_facts", "subject_name": "alert_subject"}
"""Translation scope by column that holds English texts."""
_NO_SCOPES: Mapping[str, str] = {}


class TextTable(NamedTuple):
    """A table on a page: the columns that its PDF sheet and its CSV export have."""

    title: str
    """Key of the title."""
    columns: Sequence[str]
    """Fields of the rows; `amount` stands for the amount, `date` for the event time if it is no field."""
    scopes: Mapping[str, str] = _NO_SCOPES
    """Translation scope by column that holds codes."""
    amount: str = ""
    """Field of the amount, in cents."""
    amount_title: str = "amount"
    """Key of its heading, without `field_`."""

    def headings(self, t: Translator) -> list[str]:
        return [t(f"field_{self.amount_title if column == 'amount' else column}") for column in self.columns]

    def cells(self, row: Mapping[str, Any], t: Translator, currency: str | None = None) -> list[str]:
        """Return a row as texts.

        Args:
            row: a row of the API, by field.
            t: translator of the reader's language.
            currency: that of the amounts if the row has none.
        """
        return [
            _money(row[self.amount], row.get("currency", currency), t)
            if column == "amount"
            else format_value(self._term(column, row, t), t)
            for column in self.columns
        ]

    def spreadsheet_headings(self, t: Translator) -> list[str]:
        """Return the headings of `spreadsheet_cells`, which has currencies in a column of their own."""
        return [*self.headings(t), *([t("currency")] if self.amount else [])]

    def spreadsheet_cells(
        self, row: Mapping[str, Any], t: Translator, currency: str | None = None
    ) -> list[str]:
        """Return a row as cells that a spreadsheet of the language can sum and sort."""
        cells = [
            _plain_money(row[self.amount], t)
            if column == "amount"
            else _spreadsheet_text(self._term(column, row, t), t)
            for column in self.columns
        ]
        return [*cells, *([row.get("currency", currency) or ""] if self.amount else [])]

    def _term(self, column: str, row: Mapping[str, Any], t: Translator) -> Any:
        """Return the value of a column, translated if it is a code or an English text."""
        value = row["event_time" if column == "date" and "date" not in row else column]
        if value is None:
            return None
        if column in TEXT_SCOPES:
            return t.translated(TEXT_SCOPES[column], value)
        return t.term(self.scopes[column], value) if column in self.scopes else value


def text_rows(
    table: TextTable, rows: Iterable[Any], t: Translator, currency: str | None = None
) -> list[list[str]]:
    """Return rows of the API as texts."""
    return [table.cells(dict(row), t, currency) for row in rows]


def format_value(value: Any, t: Translator) -> str:
    """Return a value as text of a language."""
    match value:
        case None:
            return NO_VALUE
        case datetime():
            return t.time(value)
        case date():
            return t.day(value)
        case float() | int():
            return t.number(value)
    return str(value)


def _money(cents: int | None, currency: str | None, t: Translator) -> str:
    return NO_VALUE if cents is None else t.money(cents, currency)


def _plain_money(cents: int | None, t: Translator) -> str:
    return "" if cents is None else t.plain_number((Decimal(cents) / 100).quantize(CENT))


def _spreadsheet_text(value: Any, t: Translator) -> str:
    match value:
        case None:
            return ""
        case datetime():
            return value.strftime("%Y-%m-%d %H:%M:%S")
        case float() | int():
            return t.plain_number(value)
    return str(value)
