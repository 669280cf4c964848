"""The alert rules: what is wrong, how bad it is, whom to tell and what to do about it; read from `rules.toml` beside this file."""

import re
import tomllib
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from shopnow.alerts import channels, time_parsing
from shopnow.alerts.metrics import FIGURES
from shopnow.errors import UserError

FILE = Path(__file__).with_name("rules.toml")

Words = Annotated[str, Meta(min_length=1, max_length=60)]


class Rule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A limit on a figure."""

    looks_at: Annotated[str, Meta(description="the figure, one of `figures.py`")]
    fires: Annotated[
        Literal["at_most", "at_least"], Meta(description="on which side of the threshold it is broken")
    ]
    threshold: Annotated[float, Meta(description="fires when the figure is at most, or at least, this")]
    hysteresis: Annotated[
        float, Meta(ge=0, description="over once the figure is back from the threshold by more than this")
    ] = 0
    of_at_least: Annotated[
        int, Meta(ge=0, description="a share is looked at only if it is of at least so many")
    ] = 0
    severity: Annotated[Literal["critical", "warning", "info"], Meta(description="how bad it is")]
    owner: Annotated[
        str,
        Meta(
            pattern="^[a-z][a-z0-9_-]{0,39}$", description="who takes care of it; mail goes to their address"
        ),
    ]
    channels: Annotated[tuple[str, ...], Meta(min_length=1, description="where it is told")]
    repeat_after: Annotated[
        str,
        Meta(
            pattern=time_parsing.PATTERN, description="told again while it fires and nobody acknowledged it"
        ),
    ]
    inhibited_by: Annotated[
        tuple[str, ...], Meta(description="rules that, while they are broken, make this one keep still")
    ] = ()
    title: Annotated[Words, Meta(description="what is wrong")]
    todo: Annotated[str, Meta(min_length=1, max_length=300, description="what to do about it")]
    resolved_title: Annotated[Words, Meta(description="what is said when it is over")]

    @property
    def about(self) -> str:
        """The kind of thing its alerts are about, such as product."""
        return FIGURES[self.looks_at].about

    @property
    def repeats(self) -> timedelta:
        return time_parsing.parse(self.repeat_after)

    @property
    def over_beyond(self) -> float:
        """An alert is over once the figure is back beyond this."""
        return self.threshold + (self.hysteresis if self.fires == "at_most" else -self.hysteresis)

    def broken(self, value: float, active: bool) -> bool:
        """Whether a figure of this value breaks the rule, whose alert about it is `active` by now or not."""
        limit = self.over_beyond if active else self.threshold
        return value <= limit if self.fires == "at_most" else value >= limit


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
        raise UserError(
            f"alert rules {path.name}: there is no rule in it; a rule is a table such as [low_stock]"
        )
    rules = {name: _rule(path.name, name, table) for name, table in tables.items()}
    for name, rule in rules.items():
        for field, given, known in (
            ("looks_at", (rule.looks_at,), FIGURES),
            ("channels", rule.channels, channels.default()),
            ("inhibited_by", rule.inhibited_by, [other for other in rules if other != name]),
        ):
            for each in given:
                if each not in known:
                    raise UserError(
                        f"alert rules {path.name}: {name}: {field} has {each!r}, which is none of {', '.join(known) or 'none'}"
                    )
        _check_ends(path.name, name, rules)
    return rules


def _rule(file: str, name: str, table: object) -> Rule:
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise UserError(
            f"alert rules {file}: {name!r} is no name for a rule; use small letters, digits and _"
        )
    try:
        return msgspec.convert(table, Rule)
    except msgspec.ValidationError as error:
        raise UserError(f"alert rules {file}: {name}: {str(error).replace('`$.', '`')}") from None


def _check_ends(file: str, name: str, rules: dict[str, Rule]) -> None:
    """Rules that inhibit each other in a circle would all keep still."""
    above, reached = list(rules[name].inhibited_by), set()
    while above:
        other = above.pop()
        if other == name:
            raise UserError(
                f"alert rules {file}: {name}: inhibited_by leads back to {name}; rules must not inhibit each other in a circle"
            )
        if other not in reached and other in rules:
            reached.add(other)
            above += rules[other].inhibited_by
