"""PDFs of the pages are drawn in another process."""

from threading import BoundedSemaphore

import pytest

from shopnow.errors import UserError
from shopnow_tab_app.pages import pdf

SHEET = {
    "title": "Orders",
    "subtitle": "2026-11-24",
    "cards": [("Delivered", "7")],
    "charts": [],
    "tables": [],
}


def test_process_returns_the_document_or_a_sentence() -> None:
    document = pdf.render(SHEET)
    assert b"/Title (Orders)" in document
    assert document.rstrip().endswith(b"%%EOF")
    with pytest.raises(UserError, match=r"drawing the PDF failed; (?s:.*)KeyError: 'cards'"):
        pdf.render({name: value for name, value in SHEET.items() if name != "cards"})


def test_a_pdf_that_takes_too_long_is_refused(monkeypatch):
    monkeypatch.setattr(pdf, "TIMEOUT_SECONDS", 0.01)
    with pytest.raises(UserError, match=r"took more than 0\.01 s"):
        pdf.render(SHEET)
    monkeypatch.setattr(pdf, "_SLOTS", BoundedSemaphore(1))
    with pdf._slot(), pytest.raises(UserError, match="other PDFs are being drawn"):
        pdf.render(SHEET)


def test_few_requests_wait_for_a_pdf(monkeypatch):
    monkeypatch.setattr(pdf, "_QUEUE", BoundedSemaphore(2))
    with pdf._slot(), pdf._slot(), pytest.raises(UserError, match="other PDFs are being drawn"):
        pdf.render(SHEET)
    assert pdf.render(SHEET)
