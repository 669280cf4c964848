"""`send`: submit your own events to Kafka."""

import sys
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from shopnow import connections
from shopnow.cli.output import Json, complain, print_json, say, show
from shopnow.errors import UserError
from shopnow.settings import Settings
from shopnow.submission.service import submit
from shopnow.submission.validation import MAX_BYTES


def send(
    file: Annotated[str, typer.Argument(metavar="FILE|-", help="A file of events, or - for standard input.")],
    partial: Annotated[
        bool, typer.Option("--partial", help="Send the valid events even if others are rejected.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Send your own events: one JSON object, an array, or JSON lines, of any mix of event types.

    Each event is validated, goes to the topic of its event_type, and is listed
    with its topic, partition, offset and id. All events are sent in one Kafka
    transaction. If one is rejected, nothing is sent and the error names the
    field and the reason; with --partial the valid events are sent. Exits 1 if
    any event was rejected.

    event_id (generated), event_time (now) and schema_version (the latest) may
    be left out. docs/events.md has the types, their fields and examples.
    """
    data = _read(file)
    conf = connections.kafka_conf(connections.load(Settings.load()))
    report = submit(conf, f"cli/{uuid.uuid4()}", data, datetime.now(UTC), partial=partial)
    if as_json:
        print_json(report.as_dict())
    else:
        show(*report.tables())
        if not report.rejected:
            say(report.summary())
    if report.rejected:
        complain(
            report.summary() + ("" if partial else "; correct them, or send the valid ones with --partial")
        )
        sys.exit(1)


def _read(file: str) -> bytes:
    """Read at most one byte more than the limit, which is enough to reject what is too large."""
    try:
        if file == "-":
            return sys.stdin.buffer.read(MAX_BYTES + 1)
        with Path(file).open("rb") as stream:
            return stream.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        raise UserError(
            f"cannot read {file}: {getattr(error, 'strerror', None) or error}; "
            "pass a file of events, or - for standard input"
        ) from None
