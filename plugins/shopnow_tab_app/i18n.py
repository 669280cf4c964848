"""Translations shared by the pages (`ui/src/i18n.ts`) and the PDF sheets."""

import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path

LOCALES = Path(__file__).with_name("locales")
DEFAULT_LANGUAGE = "en"
LANGUAGES = (DEFAULT_LANGUAGE, "fr")


class Translator:
    """The texts of one language."""

    def __init__(self, texts: Mapping[str, str], english: Mapping[str, str]) -> None:
        self._texts, self._english = texts, english

    def __call__(self, key: str) -> str:
        """The text of a key.

        Raises:
            KeyError: no locale file has the key.
        """
        return self._texts[key]

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
    return Translator(texts(supported), texts(DEFAULT_LANGUAGE))
