"""The report of a day: what has to be known first, the sections, what has changed since, and the proof."""

import json
from collections.abc import Iterator, Sequence

from shopnow import kpis
from shopnow.audit import audit_log
from shopnow.dates import end_of_day
from shopnow.kpis import values
from shopnow.lake.lineage.restatements import RESTATEMENTS
from shopnow.reports.formatting import NONE, title
from shopnow.reports.model import Column, Report, Section, definitions
from shopnow.reports.numbers import REPORTED, Figures, Row
from shopnow.reports.sections import TOLD

CHANGES = 12
"""So many restatements are in the report; the CSV file has all."""

_TITLES = {kpi.name: kpi.title for kpi in REPORTED}
_DATES = {kpi.name for kpi in REPORTED if kpi.partition_by and not kpi.monthly}


def compose(figures: Figures, behind: str = "") -> Report:
    """The report of these figures. `behind`: what of the day they lack as yet, in words; empty if nothing is known to be lacking."""
    heading = f"ShopNow+ on {figures.day:%A} {figures.day.day} {figures.day:%B %Y}"
    told = [(kpi, list(sections(figures))) for kpi, sections in TOLD if figures.of(kpi)]
    if not any(figures.of(kpi) for kpi in REPORTED if kpi.name in _DATES):
        words = [
            "There are no figures of this day: nothing was ordered, paid, viewed or delivered on it, or nothing of it has landed yet."
        ]
        return Report(
            figures.day, heading, "No figures", False, [*words, *filter(None, [behind])], [*_changes(figures)]
        )
    status, words = _trust(figures, behind)
    sections = [section for _, found in told for section in found]
    meant = {kpi.title: definitions(found) for kpi, found in told}
    return Report(
        figures.day,
        heading,
        status,
        not words,
        words,
        [*sections, *_changes(figures), *_proof(figures), *_without(figures)],
        meant,
    )


def completeness(rows: Sequence[Row]) -> str:
    """How much may be missing from rows, in words."""
    missing = [row["missing_rows"] for row in rows]
    if None in missing:
        return "unknown number of rows missing"
    most = max(missing, default=0)
    return f"up to {most:,} rows missing" if most else "complete"


def _trust(figures: Figures, behind: str) -> tuple[str, list[str]]:
    """The state of the figures, and what speaks against them, the worst last."""
    status, words = "Complete", []
    if not figures.over:
        status = "The day is not over"
        words.append(
            f"The day is not over: these are the figures so far, read at {values.text(figures.at)} UTC, compared with no whole day."
        )
    elif early := [
        row
        for row in figures.of(kpis.SALES_DAILY)
        if row["computed_at"] and row["computed_at"] < end_of_day(figures.day)
    ]:
        computed = values.text(min(row["computed_at"] for row in early))
        words.append(
            f"Sales were computed at {computed} UTC, before the day was over; no order or payment has been computed since."
        )
    if behind:
        status = "Not up to date"
        words.append(behind)
    dated = [row for name in _DATES for row in figures.rows.get(name, [])]
    if (found := completeness(dated)) != "complete":
        status = found[0].upper() + found[1:]
        words.append(f"{status}: records were lost before they were read, see the proof below.")
    if figures.audit and figures.audit.broken:
        status = "In doubt"
        words.append(
            f"In doubt: the audit of {values.text(figures.audit.at)} UTC found a difference in {figures.audit.verdict}."
        )
    return status, words


def _changes(figures: Figures) -> Iterator[Section]:
    """Published figures that changed."""
    rows = sorted(
        figures.restated,
        key=lambda row: (row["kpi"] != kpis.SALES_DAILY.name, row["kpi_date"], row["kpi"], row["figure"]),
    )
    if not rows:
        yield Section(
            "What changed",
            [
                "No figure of this day has changed since it was published, and none of another was changed on it."
            ],
        )
        return
    comment = {
        field.name: (field.metadata or {}).get(b"comment", b"").decode() for field in RESTATEMENTS.schema
    }
    comment |= {
        "before": "the figure as it was published",
        "after": "the figure as it is now",
        "why": "what made the day be computed anew",
    }
    names = ("kpi_date", "figure", "before", "after", "why")
    yield Section(
        "What changed",
        [f"{len(rows):,} published figures were restated: of this day, or, on this day, of others."],
        columns=[
            Column({"kpi_date": "Day"}.get(name, title(name)), comment[name], name in {"before", "after"})
            for name in names
        ],
        rows=[_change(row) for row in rows[:CHANGES]],
        note=f"… and {len(rows) - CHANGES:,} more in the CSV file." if len(rows) > CHANGES else "",
    )


def _change(row: Row) -> list[str]:
    unit = values.unit_named(row["figure"])
    amounts = [values.text(row[name], unit) for name in ("before", "after")]
    what = f"{_TITLES.get(row['kpi'], row['kpi'])}: {values.title(row['figure'])}"
    if unit:
        what += f", {row['currency']}"
    return [f"{row['kpi_date'].day} {row['kpi_date']:%b %Y}", what, *amounts, values.text(row["why"])]


def _proof(figures: Figures) -> Iterator[Section]:
    """What the figures were made from, and whether all of it was there."""
    audit = figures.audit
    words = [
        "No audit of the lake is on record yet."
        if audit is None
        else f"The audit of {values.text(audit.at)} UTC: {'it ' if audit.verdict == audit_log.HOLDS else 'a difference in '}{audit.verdict}."
    ]
    for loss in figures.losses:
        words.append(
            f"Lost: {loss}. Going on without was right because, in the words of {loss.acknowledged_by}: {loss.reason}."
        )
    comment = {field.name: values.definition(field) for field in kpis.SALES_DAILY.schema}
    yield Section(
        "Proof",
        words,
        columns=[
            Column("Figures", "", False),
            Column("Computed, UTC", comment["computed_at"], False),
            Column("Rows", comment["missing_rows"], False),
            Column("From raw versions", comment["raw_versions"], False),
        ],
        rows=[
            [
                kpi.title,
                values.text(
                    max((row["computed_at"] for row in rows if row["computed_at"]), default=None), none=NONE
                ),
                completeness(rows),
                _versions(rows),
            ]
            for kpi in REPORTED
            if (rows := figures.of(kpi))
        ],
    )


def _versions(rows: Sequence[Row]) -> str:
    """The newest versions among those that rows were made from."""
    newest: dict[str, int] = {}
    for row in rows:
        for topic, version in json.loads(row["raw_versions"] or "{}").items():
            newest[topic] = max(version, newest.get(topic, version))
    return ", ".join(f"{topic} {version}" for topic, version in sorted(newest.items())) or NONE


def _without(figures: Figures) -> Iterator[Section]:
    """What the report does not tell of, and why."""
    not_there = [kpi.title for kpi in REPORTED if kpi.name not in figures.rows]
    empty = [kpi.title for kpi in REPORTED if kpi.name in figures.rows and not figures.of(kpi)]
    words = [f"Not computed yet: {', '.join(not_there)}."] if not_there else []
    words += [f"Nothing on record for this day: {', '.join(empty)}."] if empty else []
    if words:
        yield Section("Not in this report", words)
