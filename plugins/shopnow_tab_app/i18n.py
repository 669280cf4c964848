"""Translations shared by the pages (`ui/src/i18n.ts`) and the PDF sheets."""

import json
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
        """The translation of an English text of the API; a text that en.json does not have, unchanged."""
        keys = (key for key, english in self._english.items() if english == text)
        return next((self._texts[key] for key in keys if key.startswith(f"{scope}_")), text)


@cache
def texts(language: str) -> dict[str, str]:
    return json.loads((LOCALES / f"{language}.json").read_text(encoding="utf-8"))


def translator(language: str) -> Translator:
    """The translator of a language tag such as `fr-FR`; English for other languages than `LANGUAGES`."""
    known = next((name for name in LANGUAGES if language.startswith(name)), DEFAULT_LANGUAGE)
    return Translator(texts(known), texts(DEFAULT_LANGUAGE))
