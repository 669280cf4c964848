"""The report of a day: notices, sections, restatements and proof."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

import msgspec

from shopnow import kpis
from shopnow.audit import audit_log
from shopnow.dates import end_of_day
from shopnow.kpis import values
from shopnow.lake.lineage.restatements import RESTATEMENTS
from shopnow.reports.formatting import MISSING, title
from shopnow.reports.model import Column, Report, Section, definitions
from shopnow.reports.numbers import REPORTED, Figures, Row, describe_failure
from shopnow.reports.sections import SECTIONS

_log = logging.getLogger(__name__)

MAX_RESTATEMENTS = 12
"""Maximum number of restatements in the report; the CSV file has all."""

_TITLES = {kpi.name: kpi.title for kpi in REPORTED}
_DATES = {kpi.name for kpi in REPORTED if kpi.partition_by and not kpi.is_monthly}


def compose(figures: Figures, lag: str = "") -> Report:
    """Compose the report of the figures.

    Args:
        lag: which records of the day the figures lack, in words; empty if none are known to be missing.
    """
    heading = f"ShopNow+ on {figures.day:%A} {figures.day.day} {figures.day:%B %Y}"
    failures = dict(figures.failures)
    by_kpi = [
        (kpi, _sections(kpi.title, partial(compose_sections, figures), failures))
        for kpi, compose_sections in SECTIONS
        if figures.rows_of(kpi)
    ]
    parts = {
        name: _sections(name, partial(compose_part, figures), failures)
        for name, compose_part in (
            ("What changed", _changes),
            ("Proof", _proof),
            ("Not in this report", _omitted),
        )
    }
    if not any(figures.rows_of(kpi) for kpi in REPORTED if kpi.name in _DATES):
        notices = [
            "There are no figures for this day: it had no views, orders, payments or deliveries, "
            "or none of them has landed yet."
        ]
        notices += [*filter(None, [lag]), *_failure_notices(failures)]
        return Report(figures.day, heading, "No figures", False, notices, parts["What changed"])
    status, notices = _status(figures, lag)
    if failures:
        status = "Not all sections could be made"
        notices += _failure_notices(failures)
    sections = [section for _, kpi_sections in by_kpi for section in kpi_sections]
    by_title = {kpi.title: definitions(kpi_sections) for kpi, kpi_sections in by_kpi}
    return Report(
        figures.day,
        heading,
        status,
        not notices,
        notices,
        [*sections, *(section for part in parts.values() for section in part)],
        by_title,
    )


def _sections(
    name: str, compose_sections: Callable[[], Iterator[Section]], failures: dict[str, str]
) -> list[Section]:
    """Return the sections of a table; one that says why, if they cannot be made."""
    sections: list[Section] = []
    try:
        sections.extend(compose_sections())
    except Exception as error:
        _log.exception("section %s cannot be made", name)
        failures[name] = describe_failure(error)
        sections.append(Section(name, [f"This section could not be made: {failures[name]}."]))
    return sections


def _failure_notices(failures: Mapping[str, str]) -> list[str]:
    return [f"Missing from this report: {name} ({reason})." for name, reason in failures.items()]


def completeness(rows: Sequence[Row]) -> str:
    """Describe how many rows may be missing."""
    missing = [row["missing_rows"] for row in rows]
    if None in missing:
        return "unknown number of rows missing"
    bound = max(missing, default=0)
    return f"up to {bound:,} rows missing" if bound else "complete"


def _status(figures: Figures, lag: str) -> tuple[str, list[str]]:
    """Return the status of the figures and all known problems with them, the most severe last."""
    status, notices = "Complete", []
    if not figures.is_day_over:
        status = "The day is not over"
        notices.append(
            "The day is not over: these are the figures so far, without comparison, "
            f"read at {values.format_value(figures.read_at)} UTC."
        )
    elif outdated := [
        row
        for row in figures.rows_of(kpis.SALES_DAILY)
        if row["computed_at"] and row["computed_at"] < end_of_day(figures.day)
    ]:
        computed = values.format_value(min(row["computed_at"] for row in outdated))
        notices.append(
            f"Sales were computed at {computed} UTC, before the day was over; "
            "no later order or payment is included."
        )
    if lag:
        status = "Not up to date"
        notices.append(lag)
    rows = [row for name in _DATES for row in figures.rows.get(name, [])]
    if (completeness_text := completeness(rows)) != "complete":
        status = completeness_text[0].upper() + completeness_text[1:]
        notices.append(f"{status}: records were lost before they were read, see the proof below.")
    if figures.audit and figures.audit.broken:
        status = "In doubt"
        notices.append(
            f"In doubt: the audit of {values.format_value(figures.audit.at)} UTC "
            f"found a difference in {figures.audit.verdict}."
        )
    return status, notices


def _changes(figures: Figures) -> Iterator[Section]:
    """Yield the section on published figures that changed."""
    rows = sorted(
        figures.restated,
        key=lambda row: (row["kpi"] != kpis.SALES_DAILY.name, row["kpi_date"], row["kpi"], row["figure"]),
    )
    if not rows:
        yield Section(
            "What changed",
            ["No figure of this day was restated, and no figure of another day was restated on it."],
        )
        return
    comment = {
        field.name: (field.metadata or {}).get(b"comment", b"").decode() for field in RESTATEMENTS.schema
    }
    comment |= {
        "before": "the published figure",
        "after": "the current figure",
        "why": "why the day was recomputed",
    }
    names = ("kpi_date", "figure", "before", "after", "why")
    yield Section(
        "What changed",
        [f"{len(rows):,} published figures were restated: of this day, or on this day of other days."],
        columns=[
            Column({"kpi_date": "Day"}.get(name, title(name)), comment[name], name in {"before", "after"})
            for name in names
        ],
        rows=[_change(row) for row in rows[:MAX_RESTATEMENTS]],
        note=f"… and {len(rows) - MAX_RESTATEMENTS:,} more in the CSV file."
        if len(rows) > MAX_RESTATEMENTS
        else "",
    )


def _change(row: Row) -> list[str]:
    unit = values.unit_of_figure(row["figure"])
    amounts = [values.format_value(row[name], unit) for name in ("before", "after")]
    label = f"{_TITLES.get(row['kpi'], row['kpi'])}: {values.heading(row['figure'])}"
    if unit:
        label += f", {row['currency']}"
    return [
        f"{row['kpi_date'].day} {row['kpi_date']:%b %Y}",
        label,
        *amounts,
        values.format_value(row["why"]),
    ]


def _proof(figures: Figures) -> Iterator[Section]:
    """Yield the section on the sources of the figures and their completeness."""
    audit = figures.audit
    if audit is None:
        paragraphs = ["No audit of the lake is on record yet."]
    else:
        result = audit.verdict if audit.verdict == audit_log.HOLDS else f"a difference in {audit.verdict}"
        pronoun = "it " if audit.verdict == audit_log.HOLDS else ""
        paragraphs = [f"The audit of {values.format_value(audit.at)} UTC: {pronoun}{result}."]
    for loss in figures.losses:
        paragraphs.append(f"Lost: {loss}. Acknowledged by {loss.acknowledged_by}: {loss.reason}.")
    comment = {field.name: values.definition_of(field) for field in kpis.SALES_DAILY.schema}
    yield Section(
        "Proof",
        paragraphs,
        columns=[
            Column("Figures", "", False),
            Column("Computed, UTC", comment["computed_at"], False),
            Column("Rows", comment["missing_rows"], False),
            Column("From raw versions", comment["raw_versions"], False),
        ],
        rows=[
            [
                kpi.title,
                values.format_value(
                    max((row["computed_at"] for row in rows if row["computed_at"]), default=None),
                    none=MISSING,
                ),
                completeness(rows),
                _versions(rows),
            ]
            for kpi in REPORTED
            if (rows := figures.rows_of(kpi))
        ],
    )


def _versions(rows: Sequence[Row]) -> str:
    """Return the newest raw version of each topic that the rows were computed from."""
    newest: dict[str, int] = {}
    for row in rows:
        for topic, version in msgspec.json.decode(row["raw_versions"] or "{}").items():
            newest[topic] = max(version, newest.get(topic, version))
    return ", ".join(f"{topic} {version}" for topic, version in sorted(newest.items())) or MISSING


def _omitted(figures: Figures) -> Iterator[Section]:
    """Yield the section on tables that the report omits, and why."""
    not_computed = [
        kpi.title for kpi in REPORTED if kpi.name not in figures.rows and kpi.title not in figures.failures
    ]
    empty = [kpi.title for kpi in REPORTED if kpi.name in figures.rows and not figures.rows_of(kpi)]
    paragraphs = [f"Not computed yet: {', '.join(not_computed)}."] if not_computed else []
    paragraphs += [f"No data for this day: {', '.join(empty)}."] if empty else []
    if paragraphs:
        yield Section("Not in this report", paragraphs)
