"""PDFs of the pages are drawn in another process."""

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
