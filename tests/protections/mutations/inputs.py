"""What people and other programs send: delivery notes, batches of events, requests."""

import hashlib
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit


def note_bytes_not_checked() -> None:
    """Control characters of a delivery note reach the CSV parser."""
    from shopnow.restock import delivery_note

    delivery_note._CONTROL_CHARACTER = re.compile(rb"(?!)")


def notes_identified_by_spelling() -> None:
    """A delivery note whose number is typed in another way is another note, and its goods count twice."""
    from shopnow.traffic import dedup_keys

    dedup_keys._fold = lambda text: text


def archive_names_not_shortened() -> None:
    """A delivery note is archived under its full name, whatever its length."""
    from shopnow.restock import inbox

    inbox.MAX_NAME_BYTES = 1 << 20


def large_files_identified_by_their_start() -> None:
    """Of two restock files over 1 MiB with the same name and start, the second is deleted."""
    from shopnow.restock.delivery_note import MAX_BYTES
    from shopnow.restock.inbox import Inbox

    def digest_of_start(inbox: Inbox, name: str) -> str:
        return hashlib.sha256(inbox.read(name, MAX_BYTES + 1)).hexdigest()

    Inbox.version = digest_of_start  # type: ignore[method-assign]


def control_characters_reported() -> None:
    """The report of a batch has the NUL of a rejected event, which Airflow's database does not store."""
    from shopnow.submission.report import Report

    as_dict = Report.as_dict

    def with_control_characters(report: Report) -> dict[str, Any]:
        return as_dict(report) | {"rejected": [event._asdict() for event in report.rejected]}

    Report.as_dict = with_control_characters  # type: ignore[method-assign]


def origins_parsed_as_urls() -> None:
    """An Origin that is no URL ends a request to the tab with an error, so the answer is 500."""
    from shopnow_tab_app.routes import access

    same_site = access.same_site

    def parse_origin(request: access.Request) -> None:
        urlsplit(request.headers.get("origin", ""))
        same_site(request)

    access.same_site = parse_origin


def bodies_of_any_size() -> None:
    """A client without a login makes the API server hold and parse a body of any size."""
    from shopnow_request_limits import BodyLimit

    async def pass_on(self: BodyLimit, scope: Any, receive: Any, send: Any) -> None:
        await self.app(scope, receive, send)

    BodyLimit.__call__ = pass_on  # type: ignore[method-assign]


def request_ids_of_other_requests_accepted() -> None:
    """A request with the id of another one gets the receipt of that one, and its event is not sent."""
    from shopnow.submission import producer

    producer._digest = lambda events: ""


def slack_server_parses_targets_as_urls() -> None:
    """A request whose target is no URL gets no answer from the local Slack server."""
    from shopnow.local_stack.webhook_server import _Handler

    _Handler.do_GET = _parse_target_before(_Handler.do_GET)  # type: ignore[method-assign]
    _Handler.do_POST = _parse_target_before(_Handler.do_POST)  # type: ignore[method-assign]


def exporter_parses_targets_as_urls() -> None:
    """A request whose target is no URL gets no answer from the exporter."""
    from shopnow.cluster.exporter import Handler

    Handler.do_GET = _parse_target_before(Handler.do_GET)  # type: ignore[method-assign]


def _parse_target_before(answer: Callable[[Any], None]) -> Callable[[Any], None]:
    def parse_target_and_answer(handler: Any) -> None:
        urlsplit(handler.path)
        answer(handler)

    return parse_target_and_answer
