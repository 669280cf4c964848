"""Alert rules from `rules.toml` in this folder: limit, severity, recipients and remedy of each alert."""

import re
import tomllib
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from shopnow.alerts import channels, time_parsing
from shopnow.alerts.metrics import METRICS
from shopnow.errors import UserError

FILE = Path(__file__).with_name("rules.toml")

Text = Annotated[str, Meta(min_length=1, max_length=60)]


class Rule(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    rename={"metric": "looks_at", "min_sample_size": "of_at_least"},
):
    """A limit on a metric. Keys in `rules.toml` are the field names, except `looks_at` and `of_at_least`."""

    metric: Annotated[str, Meta(description="the metric, one of those below")]
    fires: Annotated[
        Literal["at_most", "at_least"], Meta(description="on which side of the threshold it is breached")
    ]
    threshold: Annotated[float, Meta(description="fires when the metric is at most, or at least, this value")]
    hysteresis: Annotated[
        float,
        Meta(
            ge=0,
            description="resolved once the metric is back from the threshold by more than this",
        ),
    ] = 0
    min_sample_size: Annotated[
        int, Meta(ge=0, description="minimum sample size for a ratio to be evaluated")
    ] = 0
    severity: Annotated[Literal["critical", "warning", "info"], Meta(description="severity of the alert")]
    owner: Annotated[
        str,
        Meta(
            pattern="^[a-z][a-z0-9_-]{0,39}$",
            description="the team responsible; mail goes to its address",
        ),
    ]
    channels: Annotated[
        tuple[str, ...], Meta(min_length=1, description="channels on which its notifications are sent")
    ]
    repeat_after: Annotated[
        str,
        Meta(
            pattern=time_parsing.DURATION_PATTERN,
            description="a reminder is sent after this time while it fires and nobody acknowledges it",
        ),
    ]
    inhibited_by: Annotated[
        tuple[str, ...], Meta(description="rules that suppress this one while they are breached")
    ] = ()
    title: Annotated[Text, Meta(description="what is wrong")]
    todo: Annotated[str, Meta(min_length=1, max_length=300, description="what to do about it")]
    resolved_title: Annotated[Text, Meta(description="the title once it is resolved")]

    @property
    def about(self) -> str:
        """The kind of subject of its alerts, such as product."""
        return METRICS[self.metric].about

    @property
    def repeat_interval(self) -> timedelta:
        return time_parsing.parse_duration(self.repeat_after)

    @property
    def resolve_threshold(self) -> float:
        """An alert is resolved once the metric is beyond this value."""
        return self.threshold + (self.hysteresis if self.fires == "at_most" else -self.hysteresis)

    def is_breached(self, value: float, is_active: bool) -> bool:
        """Return whether a metric of this value breaches the rule.

        Args:
            is_active: whether the rule's alert about the subject is active now, so that the hysteresis
                applies.
        """
        limit = self.resolve_threshold if is_active else self.threshold
        return value <= limit if self.fires == "at_most" else value >= limit


def load(path: Path = FILE) -> dict[str, Rule]:
    """Load the rules by name, in the order of the file.

    Raises:
        UserError: the file is missing, is not TOML or holds an invalid rule; names the rule and the TOML key.
    """
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"alert rules {path}: {error.strerror}") from None
    except ValueError as error:
        raise UserError(f"alert rules {path.name}: not TOML: {error}") from None
    if not tables:
        raise UserError(f"alert rules {path.name}: no rule in it; a rule is a table such as [low_stock]")
    rules = {name: _parse_rule(path.name, name, table) for name, table in tables.items()}
    for name, rule in rules.items():
        for key, references, valid in (
            ("looks_at", (rule.metric,), METRICS),
            ("channels", rule.channels, channels.default()),
            ("inhibited_by", rule.inhibited_by, [other for other in rules if other != name]),
        ):
            for reference in references:
                if reference not in valid:
                    raise UserError(
                        f"alert rules {path.name}: {name}: {key} has {reference!r}; "
                        f"expected one of: {', '.join(valid) or 'none'}"
                    )
        _check_acyclic(path.name, name, rules)
    return rules


def _parse_rule(file: str, name: str, table: object) -> Rule:
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise UserError(
            f"alert rules {file}: {name!r} is not a valid rule name; use lowercase letters, digits and _"
        )
    try:
        return msgspec.convert(table, Rule)
    except msgspec.ValidationError as error:
        raise UserError(f"alert rules {file}: {name}: {str(error).replace('`$.', '`')}") from None


def _check_acyclic(file: str, name: str, rules: dict[str, Rule]) -> None:
    """Raise if a rule inhibits itself through others: rules in a cycle would all suppress one another."""
    pending, visited = list(rules[name].inhibited_by), set()
    while pending:
        inhibitor = pending.pop()
        if inhibitor == name:
            raise UserError(
                f"alert rules {file}: {name}: inhibited_by leads back to {name}; "
                "remove the cycle of inhibiting rules"
            )
        if inhibitor not in visited and inhibitor in rules:
            visited.add(inhibitor)
            pending += rules[inhibitor].inhibited_by
