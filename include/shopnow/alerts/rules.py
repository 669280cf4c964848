"""The alert rules: what is wrong, how bad it is, and what to do about it; read from `rules.toml` beside this file."""

import re
import tomllib
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from shopnow.errors import UserError

FILE = Path(__file__).with_name("rules.toml")


class Rule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A limit on a product's stock. It fires at or below `threshold`, and is over above `threshold + hysteresis`, pieces."""

    severity: Literal["critical", "warning", "info"]
    threshold: Annotated[int, Meta(ge=0)]
    hysteresis: Annotated[int, Meta(ge=0)] = 0
    inhibited_by: tuple[str, ...] = ()
    title: Annotated[str, Meta(min_length=1, max_length=60)]
    todo: Annotated[str, Meta(min_length=1, max_length=300)]
    resolved_title: Annotated[str, Meta(min_length=1, max_length=60)]


def load(path: Path = FILE) -> dict[str, Rule]:
    """The rules by name, in the order of the file.

    Raises:
        UserError: the file is not there, is not TOML or holds a wrong rule; names the rule and the field.
    """
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"alert rules {path}: {error.strerror}") from None
    except ValueError as error:
        raise UserError(f"alert rules {path.name}: not TOML: {error}") from None
    if not tables:
        raise UserError(f"alert rules {path.name}: there is no rule in it; a rule is a table such as [low_stock]")
    rules = {name: _rule(path.name, name, table) for name, table in tables.items()}
    for name, rule in rules.items():
        for other in rule.inhibited_by:
            if other not in rules or other == name:
                raise UserError(f"alert rules {path.name}: {name} is inhibited_by {other!r}, which is no other rule of this file")
    return rules


def _rule(file: str, name: str, table: object) -> Rule:
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise UserError(f"alert rules {file}: {name!r} is no name for a rule; use small letters, digits and _")
    try:
        return msgspec.convert(table, Rule)
    except msgspec.ValidationError as error:
        raise UserError(f"alert rules {file}: {name}: {str(error).replace('`$.', '`')}") from None
