"""Texts of a language, shared with the pages (`ui/src/i18n.ts`), and its formats of numbers and times."""

import json
import re
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from pathlib import Path

from babel import Locale, dates, numbers

LOCALES = Path(__file__).with_name("locales")
DEFAULT_LANGUAGE = "en"
LANGUAGES = (DEFAULT_LANGUAGE, "fr")


_LOCALES = {"en": Locale("en", "GB"), "fr": Locale("fr", "FR")}
"""As the pages format numbers and times."""


class Translator:
    """The texts and formats of one language."""

    def __init__(self, language: str) -> None:
        self._texts, self._english = texts(language), texts(DEFAULT_LANGUAGE)
        self._locale = _LOCALES[language]

    def __call__(self, key: str) -> str:
        """The text of a key.

        Raises:
            KeyError: no locale file has the key.
        """
        return self._texts[key]

    @property
    def decimal_comma(self) -> bool:
        """Whether a comma separates decimals, so that spreadsheets expect semicolons between cells."""
        return numbers.get_decimal_symbol(self._locale) == ","

    def number(self, value: float) -> str:
        """A number with at most one decimal."""
        return numbers.format_decimal(value, "#,##0.#", locale=self._locale)

    def plain_number(self, value: Decimal | float) -> str:
        """A number that spreadsheets of the language read as one, without separators of thousands."""
        return str(value).replace(".", numbers.get_decimal_symbol(self._locale))

    def money(self, cents: int, currency: str | None) -> str:
        """An amount with its currency."""
        units = Decimal(cents) / 100
        if currency is None:
            return numbers.format_decimal(units, "#,##0.00", locale=self._locale)
        return numbers.format_currency(units, currency, locale=self._locale)

    def time(self, value: datetime) -> str:
        """A day and time of day, UTC."""
        return dates.format_datetime(value, "short", locale=self._locale)

    def day(self, value: date) -> str:
        return dates.format_date(value, "short", locale=self._locale)

    def term(self, scope: str, code: str) -> str:
        """The text of an API code, `{scope}_{code}`; an untranslated code with spaces for underscores."""
        return self._texts.get(f"{scope}_{code}", code.replace("_", " "))

    def translated(self, scope: str, text: str) -> str:
        """The translation of an English text of the API; unchanged if no template of en.json matches it."""
        if (key := self.matching_key(scope, text)) is None:
            return text
        match = _template_pattern(self._english[key]).fullmatch(text)
        return self._texts[key].format(**(match.groupdict() if match else {}))

    def matching_key(self, scope: str, text: str) -> str | None:
        """The key of the first template of the scope that matches an English text; None if none does."""
        keys = (key for key in self._english if key.startswith(f"{scope}_"))
        return next((key for key in keys if _template_pattern(self._english[key]).fullmatch(text)), None)


@cache
def _template_pattern(template: str) -> re.Pattern[str]:
    """A pattern that matches the texts of a template and captures the value of each placeholder."""
    return re.compile(re.sub(r"\\{(\w+)\\}", r"(?P<\1>.+?)", re.escape(template)))


@cache
def texts(language: str) -> dict[str, str]:
    return json.loads((LOCALES / f"{language}.json").read_text(encoding="utf-8"))


def translator(language: str) -> Translator:
    """The translator of a language tag such as `fr-FR`; English for other languages than `LANGUAGES`."""
    supported = next((name for name in LANGUAGES if language.startswith(name)), DEFAULT_LANGUAGE)
    return Translator(supported)
