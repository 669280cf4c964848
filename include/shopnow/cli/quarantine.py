"""`quarantine`: list records that are not valid events, and replay them after a fix."""

import getpass
from collections import Counter
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer

from shopnow.cli.endpoints import endpoints
from shopnow.cli.output import Json, print_json, print_table, say
from shopnow.errors import UserError
from shopnow.lake.delta import errors
from shopnow.lake.governance import corrections, quarantine, revalidation
from shopnow.lake.governance.amendments import RecordId
from shopnow.lake.governance.quarantine import Outcome, Reason, Record
from shopnow.text_format import excerpt, printable

app = typer.Typer(
    help="Records that landed but are not valid events: list them, or replay them after a fix.",
    invoke_without_command=True,
)

_EXCERPT = 100

TopicOption = Annotated[str | None, typer.Option("--topic", help="Only records of this topic.")]
ReasonOption = Annotated[
    str | None, typer.Option("--reason", help="Only records with this reason, as listed.")
]


@app.callback()
def show(
    context: typer.Context,
    records: Annotated[
        bool, typer.Option("--records", help="Show the records instead of the counts.")
    ] = False,
    topic: TopicOption = None,
    reason: ReasonOption = None,
    limit: Annotated[int, typer.Option(min=1, help="Maximum number of records.")] = 20,
    as_json: Json = False,
) -> None:
    """Show the records in quarantine, counted by reason, or one by one."""
    if context.invoked_subcommand:
        return
    _, lake = endpoints()
    with errors.as_user_errors(lake):
        quarantined = quarantine.records(lake, topic, reason)
        if records:
            _print_records(list(islice(quarantined, limit)), as_json)
        else:
            _print_reasons(quarantine.count_reasons(quarantined), as_json)


@app.command()
def replay(
    topic: TopicOption = None,
    reason: ReasonOption = None,
    corrected: Annotated[
        Path | None,
        typer.Option(
            "--corrections",
            help='JSON lines {"topic", "partition", "offset", "value": {…}}: corrected payloads.',
        ),
    ] = None,
    why: Annotated[str, typer.Option(help="Reason, recorded for ever.")] = "replayed after a fix",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the outcome, and change nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Validate quarantined records again, as they are or corrected; valid ones become events."""
    if corrected and (topic or reason):
        raise UserError("--corrections names the records itself: leave out --topic and --reason")
    _, lake = endpoints()
    by = getpass.getuser()
    with errors.as_user_errors(lake):
        if corrected:
            payloads = corrections.check(lake, corrections.parse(_read(corrected)))
            outcomes = quarantine.correct(lake, payloads, why=why, by=by, dry_run=dry_run)
        else:
            outcomes = quarantine.replay(lake, topic, reason, why=why, by=by, dry_run=dry_run)
    if as_json:
        print_json({"replayed": [outcome._asdict() for outcome in outcomes], "dry_run": dry_run})
    else:
        _print_outcomes(outcomes, dry_run)


@app.command()
def revalidate(
    topic: TopicOption = None,
    why: Annotated[str, typer.Option(help="Reason, recorded for ever.")] = "landed before the rule",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the outcome, and change nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Quarantine landed records that break a rule that was added since, and remove their events."""
    _, lake = endpoints()
    with errors.as_user_errors(lake):
        outcomes = revalidation.revalidate(lake, topic, why=why, by=getpass.getuser(), dry_run=dry_run)
    if as_json:
        print_json({"quarantined": [outcome._asdict() for outcome in outcomes], "dry_run": dry_run})
    elif outcomes:
        title = "Would be quarantined" if dry_run else "Quarantined"
        print_table(title, ("topic", "reason", "records"), outcomes)
    else:
        say("every landed record that is valid keeps the current rules")


def _read(path: Path) -> bytes:
    """Read at most one byte more than the limit, which is enough to reject what is too large."""
    try:
        with path.open("rb") as stream:
            return stream.read(corrections.MAX_BYTES + 1)
    except OSError as error:
        raise UserError(f"--corrections {path}: {error.strerror}; pass a file of JSON lines") from None


def _print_reasons(reasons: list[Reason], as_json: bool) -> None:
    if as_json:
        totals: Counter[str] = Counter()
        for entry in reasons:
            totals[entry.reason] += entry.records
        topics = {
            reason: {entry.topic: entry.records for entry in reasons if entry.reason == reason}
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
        rows = [
            (entry.reason, entry.topic, entry.records, _format_record_id(entry.topic, entry.example))
            for entry in reasons
        ]
        print_table("Quarantine", ("reason", "topic", "records", "example"), rows)


def _print_records(records: list[Record], as_json: bool) -> None:
    rows = [
        (
            _format_record_id(record.topic, record.record_id),
            record.time,
            record.problem,
            _excerpt(record.value),
        )
        for record in records
    ]
    if as_json:
        print_json(
            {"records": [dict(zip(("place", "time", "problem", "value"), row, strict=True)) for row in rows]}
        )
    else:
        print_table("Quarantine", ("topic/partition/offset", "time", "problem", "value"), rows)


def _print_outcomes(outcomes: list[Outcome], dry_run: bool) -> None:
    title = "Would be replayed" if dry_run else "Replayed"
    print_table(title, ("topic", "reason", "replayed", "still invalid"), outcomes)
    if not dry_run and any(outcome.replayed for outcome in outcomes):
        say("They become events with the next run of compute_kpis.")


def _format_record_id(topic: str, record_id: RecordId) -> str:
    return f"{topic}/{record_id.partition}/{record_id.offset}"


def _excerpt(value: bytes | None) -> str:
    """Return the start of a value in printable characters."""
    if value is None:
        return "(none)"
    return printable(excerpt(value, _EXCERPT))
