"""`quarantine`: records that are no valid events, and their way out."""

import getpass
from collections import Counter
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer

from shopnow.cli.endpoints import addresses
from shopnow.cli.output import Json, print_json, print_table, say
from shopnow.errors import UserError
from shopnow.lake.delta import errors
from shopnow.lake.governance import corrections, quarantine
from shopnow.lake.governance.amendments import RecordId
from shopnow.lake.governance.quarantine import Outcome, Reason, Record
from shopnow.text_format import excerpt, printable

app = typer.Typer(
    help="Records that landed but are no valid events: list them, and replay them after a fix.",
    invoke_without_command=True,
)

_EXCERPT = 100

TopicOption = Annotated[str | None, typer.Option("--topic", help="Only this topic's.")]
ReasonOption = Annotated[
    str | None, typer.Option("--reason", help="Only those with this reason, as the table has it.")
]


@app.callback()
def show(
    context: typer.Context,
    records: Annotated[bool, typer.Option("--records", help="Show the records themselves.")] = False,
    topic: TopicOption = None,
    reason: ReasonOption = None,
    limit: Annotated[int, typer.Option(min=1, help="How many records to show.")] = 20,
    as_json: Json = False,
) -> None:
    """Show what is in quarantine, counted by reason, or the records themselves."""
    if context.invoked_subcommand:
        return
    _, lake = addresses()
    with errors.as_user_errors(lake):
        found = quarantine.records(lake, topic, reason)
        if records:
            _print_records(list(islice(found, limit)), as_json)
        else:
            _print_reasons(quarantine.reasons(found), as_json)


@app.command()
def replay(
    topic: TopicOption = None,
    reason: ReasonOption = None,
    corrected: Annotated[
        Path | None,
        typer.Option(
            "--corrections",
            help='JSON lines {"topic", "partition", "offset", "value": {…}}: payloads to take instead.',
        ),
    ] = None,
    why: Annotated[str, typer.Option(help="Kept with the change for ever.")] = "replayed after a fix",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
    as_json: Json = False,
) -> None:
    """Check records in quarantine again; those that are valid by now, or by a correction, go to events with the next compute_kpis."""
    if corrected and (topic or reason):
        raise UserError("--corrections names its records itself; leave --topic and --reason out")
    _, lake = addresses()
    by = getpass.getuser()
    with errors.as_user_errors(lake):
        if corrected:
            given = corrections.check(lake, corrections.parse(_read(corrected)))
            outcomes = quarantine.correct(lake, given, why=why, by=by, dry_run=dry_run)
        else:
            outcomes = quarantine.replay(lake, topic, reason, why=why, by=by, dry_run=dry_run)
    if as_json:
        print_json({"replayed": [each._asdict() for each in outcomes], "dry_run": dry_run})
    else:
        _print_outcomes(outcomes, dry_run)


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"--corrections {path}: {error}") from None


def _print_reasons(reasons: list[Reason], as_json: bool) -> None:
    if as_json:
        totals: Counter[str] = Counter()
        for each in reasons:
            totals[each.reason] += each.records
        topics = {
            reason: {each.topic: each.records for each in reasons if each.reason == reason}
            for reason in totals
        }
        print_json(
            {
                "reasons": [
                    {"reason": name, "records": count, "topics": topics[name]}
                    for name, count in totals.most_common()
                ]
            }
        )
    else:
        rows = [(each.reason, each.topic, each.records, _place(each.topic, each.example)) for each in reasons]
        print_table("Quarantine", ("reason", "topic", "records", "such as"), rows)


def _print_records(records: list[Record], as_json: bool) -> None:
    rows = [
        (_place(each.topic, each.place), each.time, each.problem, _excerpt(each.value)) for each in records
    ]
    if as_json:
        print_json(
            {"records": [dict(zip(("place", "time", "problem", "value"), row, strict=True)) for row in rows]}
        )
    else:
        print_table("Quarantine", ("topic/partition/offset", "time", "problem", "value"), rows)


def _print_outcomes(outcomes: list[Outcome], dry_run: bool) -> None:
    title = "Would be replayed" if dry_run else "Replayed"
    print_table(title, ("topic", "reason", "replayed", "still bad"), outcomes)
    if not dry_run and any(each.replayed for each in outcomes):
        say("They become events with the next run of compute_kpis.")


def _place(topic: str, place: RecordId) -> str:
    return f"{topic}/{place.partition}/{place.offset}"


def _excerpt(value: bytes | None) -> str:
    """The beginning of a value in printable characters."""
    if value is None:
        return "(none)"
    return printable(excerpt(value, _EXCERPT))
