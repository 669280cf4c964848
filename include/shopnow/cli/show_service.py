"""`show SERVICE`: print the newest events of a topic, and those that follow."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from shopnow.broker.client import Conf
from shopnow.broker.tail import Record, follow, read_tail
from shopnow.cli import formatters
from shopnow.cli.output import print_json, print_table, say
from shopnow.text_format import printable

MIN_COLUMN_WIDTH = 12
"""Least width of a column in characters while following, as later events may be wider than the first."""


def show_service(conf: Conf, service: str, limit: int, following: bool, as_json: bool) -> None:
    """Print the newest `limit` events of a service; with `following`, keep printing new ones until Ctrl-C."""
    format_record = partial(formatters.record_as_json if as_json else formatters.record_cells, service)
    columns, order = formatters.headings(service), formatters.arrival_order(service)
    records, ends = read_tail(conf, service, limit, order)
    events: list[Any] = [format_record(record) for record in records]
    if following:
        new_records = follow(conf, service, ends, order)
        _print_lines(columns, events, _format_all(new_records, format_record), as_json)
    elif as_json:
        print_json({"service": service, "events": events})
    else:
        print_table(service, columns, events)


def _format_all(batches: Iterator[list[Record]], format_record: Callable[[Record], Any]) -> Iterator[Any]:
    for records in batches:
        yield from map(format_record, records)


def _print_lines(
    columns: Sequence[str], events: Sequence[Any], new_events: Iterator[Any], as_json: bool
) -> None:
    if as_json:
        for event in _chain_until_interrupted(events, new_events):
            print(json.dumps(event, default=str), flush=True)
        return
    widths = [max(MIN_COLUMN_WIDTH, *map(len, column)) for column in zip(columns, *events, strict=True)]
    say(_align(columns, widths))
    for cells in _chain_until_interrupted(events, new_events):
        print(_align(map(printable, cells), widths).rstrip(), flush=True)


def _chain_until_interrupted(events: Iterable[Any], new_events: Iterable[Any]) -> Iterator[Any]:
    with suppress(KeyboardInterrupt):
        yield from events
        yield from new_events


def _align(cells: Iterable[str], widths: Sequence[int]) -> str:
    return "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
