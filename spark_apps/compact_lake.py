"""Spark application: the lake's many small files into few large ones, without changing a row.

    spark-submit compact_lake.py --lake hdfs://namenode:port/path [--before 2026-11-24]

Dates before the one given, today (UTC) by default, are closed and compacted. Prints one line for each table it wrote; does
not start Spark if there is none. Exits 1 with one line on the error stream when the lake is out of reach, or when files it
wrote do not hold the rows they should; then that table is as it was.
"""

import sys
from datetime import UTC, date, datetime

from shopnow_spark import application, compaction


def main(arguments: list[str] | None = None) -> int:
    parser = application.parser("compact_lake", "Make few large files of the lake's many small ones.")
    parser.add_argument(
        "--before",
        default="today",
        type=_date,
        help="compact dates before this one, YYYY-MM-DD; today (UTC) by default",
    )
    options = parser.parse_args(arguments)
    work, lake = compaction.compact, options.lake
    return application.run(
        "compact_lake", lake, lambda start: [each.summary() for each in work(lake, options.before, start)]
    )


def _date(text: str) -> date:
    return datetime.now(UTC).date() if text == "today" else date.fromisoformat(text)


if __name__ == "__main__":
    sys.exit(main())
