"""Spark application: compact the lake's small files into large ones, without changing a row.

    spark-submit compact_lake.py --lake hdfs://namenode:port/path [--before 2026-11-24]

Partitions of dates before `--before`, today (UTC) by default, are compacted. Prints one line for each table
it wrote; does not start Spark if there is none. Exits 1 with one line on standard error when the lake does
not answer, or when new files do not hold the expected rows; that table is then unchanged.
"""

import sys
from datetime import UTC, date, datetime

from shopnow_spark import application, compaction


def main(arguments: list[str] | None = None) -> int:
    parser = application.parser("compact_lake", "Compact the lake's small files into large ones.")
    parser.add_argument(
        "--before",
        default="today",
        type=_date,
        help="compact dates before this one, YYYY-MM-DD; today (UTC) by default",
    )
    options = parser.parse_args(arguments)
    lake, before = options.lake, options.before
    return application.run(
        "compact_lake",
        lake,
        lambda start: [result.summary() for result in compaction.compact(lake, before, start)],
    )


def _date(text: str) -> date:
    return datetime.now(UTC).date() if text == "today" else date.fromisoformat(text)


if __name__ == "__main__":
    sys.exit(main())
