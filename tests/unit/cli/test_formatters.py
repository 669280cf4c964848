"""Events as a person reads them."""

from datetime import UTC, datetime

import pytest

from shopnow.broker.tail import Record
from shopnow.cli import formatters
from shopnow.events import TOPIC_OF, TOPICS, encode
from shopnow.examples import example
from shopnow.schemas import event_fields


@pytest.mark.parametrize("service", TOPICS)
def test_shows_fields_that_exist(service):
    assert set(formatters.COLUMNS) == set(TOPICS)
    assert set(formatters.COLUMNS[service]) <= set(event_fields(TOPICS[service]).names)


@pytest.mark.parametrize("type_", TOPIC_OF)
def test_an_event_of_every_type_is_one_row(type_):
    service = TOPIC_OF[type_].name
    event, problem = formatters.decode(service, Record(-1, 3, 120, encode(example(type_))))
    assert problem is None
    cells = formatters.event_cells(service, event, "3/120")
    assert len(cells) == len(formatters.headings(service))
    assert (cells[1], cells[-1]) == (type_.__struct_config__.tag, "3/120")


def test_amounts_items_and_shares_are_written_as_people_do():
    [order] = [type_ for type_ in TOPIC_OF if type_.__name__ == "OrderPlaced"]
    event, _ = formatters.decode("orders", Record(-1, 0, 0, encode(example(order))))
    cells = formatters.event_cells("orders", event, "0/0")
    assert {"53.82 EUR", "2 × Yoga Mat"} <= set(cells)
    assert formatters.cell("progress", 0.5, None) == "50%"
    assert formatters.cell("quantity_change", 1200, None) == "+1,200"
    assert formatters.cell("value", b"\xff", None) == "\\xff"


def test_what_is_no_event_is_a_row_with_its_problem():
    arrival = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp() * 1000)
    cells = formatters.record_cells("orders", Record(arrival, 0, 1, b"nope"))
    assert cells[-1] == "0/1"
    assert cells[:2] == ["2026-01-01 00:00:00", "(invalid JSON (invalid character, byte 4))"]
    assert len(cells) == len(formatters.headings("orders"))
