"""Validation of records: what is quarantined, with which reason, and what is read as the same value."""

import re
from collections.abc import Callable
from typing import Any


def bad_records_accepted() -> None:
    """No record is quarantined."""
    _ignore_problems(lambda problem: True)


def incompatible_records_accepted() -> None:
    """Values of a wrong type or out of range, such as an unknown schema version, are accepted."""
    _ignore_problems(lambda problem: problem.startswith(("wrong type", "invalid value")))


def _ignore_problems(is_ignored: Callable[[str], bool]) -> None:
    from shopnow import validation
    from shopnow.lake.ingest import raw_encoding

    check_records = validation.check_records

    def lenient(*args: Any, **options: Any) -> validation.CheckResult:
        checked = check_records(*args, **options)
        if checked.problems is None:
            return checked
        return checked._replace(
            problems=[
                None if problem is not None and is_ignored(problem) else problem
                for problem in checked.problems
            ]
        )

    validation.check_records = raw_encoding.check_records = lenient


def future_events_accepted() -> None:
    """Events of any time are valid: one of 2099 freezes a stock position and moves default periods."""
    from shopnow import event_rules, screening

    event_rules.problem_of_times = lambda *_: None
    screening._times = lambda *_: set()


def times_rounded() -> None:
    """Fractions of a second are rounded, so an event of 23:59:59.9999999 belongs to the next day."""
    from shopnow import event_times

    event_times._may_be_rounded = lambda payload: False


def framings_not_read() -> None:
    """Events in a schema registry frame, with a byte order mark or in a CloudEvent are quarantined."""
    from shopnow import validation

    validation.unframe = lambda value, headers: value


def spellings_kept() -> None:
    """Ids in upper case and text in another normal form are other values to some readers."""
    from shopnow import validation

    validation.canonical = lambda event, payload: event


def contradictory_amounts_accepted() -> None:
    """Orders are counted whose total is not that of their items."""
    from shopnow import event_rules, screening

    event_rules.amounts = lambda order: None
    screening._amounts = lambda events: set()


def control_characters_accepted() -> None:
    """Ids and names may have control characters, which terminals and C programs take differently."""
    from shopnow import event_rules

    event_rules._control_characters = lambda event: None


def other_ids_accepted() -> None:
    """Ids that are no UUIDv7, such as one number for all events, let events count as repeated."""
    from shopnow import event_rules, screening

    event_rules._event_id = lambda event: None
    screening._ids = lambda joined, count: set()


def every_record_screened_as_plain() -> None:
    """What needs the full check among many records, such as escapes, lands as it is."""
    from shopnow import screening

    screening.unusual_values = lambda values, column: set()


def depth_limited_by_the_stack() -> None:
    """Whether a deeply nested record is valid depends on the stack of the caller."""
    from shopnow import validation

    check_here = validation._check_here

    def check(*args: Any) -> validation.CheckedRecord:
        try:
            return check_here(*args)
        except RecursionError:
            return validation.CheckedRecord(problem="invalid JSON (nested too deep)")

    validation._check = check


def short_records_not_checked_for_depth() -> None:
    """Records of up to 1,000 bytes may be nested deeper than 500 levels."""
    from shopnow import record_problems, validation

    check_sizes = validation.check_sizes

    def check_long(value: bytes | None) -> bytes:
        if value and len(value) <= record_problems.MAX_NUMBER_LENGTH:
            return value
        return check_sizes(value)

    validation.check_sizes = check_long


def sizes_in_base64_not_checked() -> None:
    """The event within a CloudEvent's base64 may have any depth and sizes."""
    from shopnow import validation

    check_sizes, unframe = validation.check_sizes, validation.unframe
    validation.unframe = lambda value, headers: unframe(check_sizes(value), headers)
    validation.check_sizes = lambda value: value


def errors_in_descriptions_raised() -> None:
    """An unforeseen error in the description of one record's problem ends the check of all."""
    from shopnow import validation

    validation._describe = lambda error, body: validation.describe(error, body)


def long_names_found_by_backtracking() -> None:
    """The search for long names scans the rest of the record from each of its quotes."""
    from shopnow import record_problems

    long_name = re.compile(rb'"(?:[^"\\]|\\.){%d,}"\s*:' % record_problems.MAX_NAME_LENGTH, re.DOTALL)
    record_problems._has_long_name = lambda value: long_name.search(value) is not None


def reasons_forged_by_texts() -> None:
    """The field of a problem is what follows the first mark of a path in the decoder's message."""
    from shopnow import record_problems

    record_problems._PATH = re.compile(r" - at `\$\.?(.*)`\Z", re.DOTALL)
