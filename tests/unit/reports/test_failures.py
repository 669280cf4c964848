"""A report with parts that fail: the rest is sent, and the report says what is missing."""

import shutil
from datetime import timedelta
from pathlib import Path

import pytest
from deltalake import DeltaTable

from factories import kpi_sample
from factories.kpi_sample import DAY, midnight
from shopnow import kpis
from shopnow.reports import charts, csv_files, mail, numbers, pdf, report, sections
from shopnow.reports.numbers import Figures
from shopnow.reports.report import Report

MORNING = midnight(DAY) + timedelta(days=1, hours=6)
TITLES = {"Categories, EUR", "Countries, EUR", "Payments, EUR", "Conversion funnel"}


@pytest.fixture
def lake(tmp_path: Path) -> str:
    kpi_sample.write(str(tmp_path), kpi_sample.sample())
    return str(tmp_path)


def titles(result: Report) -> set[str]:
    return {section.title for section in result.sections}


def damage(lake: str, table: str) -> None:
    """Cut every data file of a table in half."""
    for uri in DeltaTable(f"{lake}/{table}").file_uris():
        data = Path(uri).read_bytes()
        Path(uri).write_bytes(data[: len(data) // 2])


def bad_row(figures: Figures, table: str, **values: object) -> Figures:
    return figures._replace(rows={**figures.rows, table: [{**row, **values} for row in figures.rows[table]]})


def test_a_damaged_table_is_named_and_the_rest_is_reported(lake):
    sound = titles(report.compose(numbers.read(lake, DAY, MORNING)))
    assert sound >= TITLES
    damage(lake, kpis.SALES_BY_CATEGORY.name)
    figures = numbers.read(lake, DAY, MORNING)
    result = report.compose(figures)
    assert titles(result) == sound - {"Categories, EUR"}
    assert (result.status, result.is_sound) == ("Not all sections could be made", False)
    [notice] = result.notices
    assert notice.startswith(f"Missing from this report: {kpis.SALES_BY_CATEGORY.title} (")
    assert "not all sections" in mail.subject(result)


def test_a_row_that_stops_a_section_stops_no_other(lake):
    figures = numbers.read(lake, DAY, MORNING)
    sound = titles(report.compose(figures))
    result = report.compose(bad_row(figures, kpis.SALES_BY_CATEGORY.name, net_revenue_cents=None))
    assert titles(result) == sound - {"Categories, EUR"} | {kpis.SALES_BY_CATEGORY.title}
    [failed] = [section for section in result.sections if section.title == kpis.SALES_BY_CATEGORY.title]
    assert failed.paragraphs[0].startswith("This section could not be made: TypeError: ")
    assert not result.is_sound


def test_a_day_of_sales_with_an_odd_row_is_reported(lake):
    figures = numbers.read(lake, DAY, MORNING)
    result = report.compose(bad_row(figures, kpis.SALES_DAILY.name, orders=None))
    assert titles(result) >= TITLES


def test_charts_files_and_the_pdf_that_fail_are_left_out(lake, monkeypatch):
    def fail(*args):
        raise ValueError("odd\nvalue")

    figures = numbers.read(lake, DAY, MORNING)
    draw = charts.png
    monkeypatch.setattr(
        charts, "png", lambda chart: fail() if chart.name.startswith("category") else draw(chart)
    )
    monkeypatch.setattr(csv_files, "_restatement", fail)
    monkeypatch.setattr(pdf, "document", fail)
    message = mail.compose(report.compose(figures._replace(restated=[{}])), figures, "link", "key")
    html = message.get_body(("html",)).get_content()
    text = message.get_body(("plain",)).get_content()
    for content in (html, text):
        assert "Missing from this mail: chart category-EUR (ValueError: odd value)." in content
        assert "Missing from this mail: the PDF (ValueError: odd value)." in content
    assert "cid:category" not in html
    names = {part.get_filename() for part in message.iter_attachments()}
    assert len(names) == len([table for table in numbers.REPORTED if figures.rows_of(table)])


def test_a_lake_that_does_not_answer_is_an_error(lake, monkeypatch):
    def fail(*args):
        raise OSError("no answer")

    monkeypatch.setattr(numbers, "_read", fail)
    with pytest.raises(OSError, match="no table of the lake can be read: OSError: no answer"):
        numbers.read(lake, DAY, MORNING)
    monkeypatch.undo()
    shutil.rmtree(Path(lake) / kpis.SALES_DAILY.name)
    assert kpis.SALES_DAILY.name not in numbers.read(lake, DAY, MORNING).rows


def test_every_section_may_fail(lake, monkeypatch):
    def fail(figures):
        raise RuntimeError("broken")

    monkeypatch.setattr(report, "SECTIONS", [(kpi, fail) for kpi, _ in sections.SECTIONS])
    monkeypatch.setattr(report, "_proof", fail)
    figures = numbers.read(lake, DAY, MORNING)
    result = report.compose(figures)
    assert (
        len([notice for notice in result.notices if "RuntimeError: broken" in notice])
        == len([kpi for kpi, _ in sections.SECTIONS if figures.rows_of(kpi)]) + 1
    )
    mail.compose(result, figures, "link", "key")
