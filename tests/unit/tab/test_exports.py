"""CSV and PDF exports have the rows, the order and the formats of the page."""

import csv
import io
import itertools
import re

import pytest

from shopnow_tab_app import i18n
from shopnow_tab_app.pages import csv_export, pdf_sheets
from shopnow_tab_app.pages.csv_export import ListingExport
from shopnow_tab_app.pages.query import Query
from shopnow_tab_app.pages.registry import EXPORTS, PAGES, PageName
from shopnow_tab_app.replica.server import ReplicaServer
from support.tab_pages import TWO_DAYS, build

pytestmark = pytest.mark.usefixtures("no_runs")


@pytest.mark.parametrize("name", EXPORTS)
@pytest.mark.parametrize("language", [None, "en", "fr"])
def test_every_export_has_a_heading_for_each_cell(
    lake: ReplicaServer, name: str, language: str | None
) -> None:
    page, export = EXPORTS[name]
    data = build(lake, page)
    chunks = (
        export.read(lake, Query())
        if isinstance(export, ListingExport)
        else [[dict(row) for row in export.rows(data)]]
    )
    reader = i18n.translator(language) if language else None
    text = "".join(csv_export.lines(export, chunks, reader, "EUR"))
    rows = list(csv.reader(text.splitlines(), delimiter=";" if language == "fr" else ","))
    assert {len(row) for row in rows} == {len(rows[0])}
    assert len(set(rows[0])) == len(rows[0])
    if language is None:
        assert rows[0] == list(export.fields)


def exported(
    lake: ReplicaServer, name: str, query: Query, language: str | None = None
) -> list[dict[str, str]]:
    """Return the rows of an export from the lake."""
    page, export = EXPORTS[name]
    build(lake, page)
    assert isinstance(export, ListingExport)
    reader = i18n.translator(language) if language else None
    text = "".join(csv_export.lines(export, export.read(lake, query), reader)).removeprefix("\ufeff")
    return list(csv.DictReader(text.splitlines(), delimiter=";" if language == "fr" else ","))


def test_csv_has_every_row(lake: ReplicaServer) -> None:
    assert len(exported(lake, "orders", Query())) == 600


@pytest.mark.parametrize("name", ["orders", "payments", "deliveries"])
def test_csv_has_the_rows_of_all_pages_in_their_order(lake: ReplicaServer, name: PageName) -> None:
    chosen = {"status": "delivered" if name == "orders" else "failed", "method": "card", "stage": "delivered"}
    key = {"orders": "order_id", "payments": "payment_id", "deliveries": "delivery_id"}[name]
    rows = Query().rows._replace(search="1", sort=key, descending=False, size=1_000)
    query = Query(TWO_DAYS, rows, chosen)
    shown = [getattr(row, key) for row in build(lake, name, query).rows]
    assert shown
    assert len(shown) < 600
    assert [row[key] for row in exported(lake, name, query)] == shown


def test_csv_of_a_reader_has_the_columns_and_formats_of_the_page(lake: ReplicaServer) -> None:
    [order] = build(lake, "orders", Query(rows=Query().rows._replace(size=1))).rows
    first = exported(lake, "orders", Query(), "fr")[0]
    assert first["Montant"] == f"{order.total_cents // 100},{order.total_cents % 100:02}"
    assert (first["Commande"], first["Devise"]) == (order.order_id, order.currency)
    assert first["Statut"] == i18n.translator("fr").term("order_status", order.status)
    assert first["Date"] == f"{order.event_time:%Y-%m-%d %H:%M:%S}"


@pytest.mark.parametrize(("name", "language"), list(zip(PAGES, itertools.cycle(["en", "fr"]), strict=False)))
def test_pdf_of_a_page_has_its_title_charts_and_tables(
    lake: ReplicaServer, monkeypatch: pytest.MonkeyPatch, name: PageName, language: str
) -> None:
    import matplotlib

    from shopnow_tab_app.pages import pdf_drawing

    # Otherwise texts are compressed numbers of glyphs.
    for name_, value in (("pdf.compression", 0), ("pdf.use14corefonts", True)):
        monkeypatch.setitem(matplotlib.rcParams, name_, value)
    sheet = pdf_sheets.sheet(name, build(lake, name), i18n.translator(language), PAGES[name].sheet)
    document = io.BytesIO()
    pdf_drawing.draw(sheet, document)
    drawn = {
        text.decode("cp1252") for text in re.findall(rb"\(((?:[^()\\]|\\.)*)\)\sTj", document.getvalue())
    }
    titles = [
        sheet["title"],
        sheet["subtitle"],
        *(part["title"] for part in sheet["charts"] + sheet["tables"]),
    ]
    cells = [row[0] for table in sheet["tables"] for row in (table["columns"], *table["rows"])]
    expected = {*titles, *cells, *itertools.chain(*sheet["cards"])}
    assert expected - drawn == set()
    assert re.search(r"\d\d/\d\d/\d{4},? \d\d:\d\d UTC", sheet["subtitle"])
