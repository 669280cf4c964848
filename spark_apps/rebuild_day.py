"""Spark application: makes the events and KPIs of a day anew from raw, and writes what is not the same.

    spark-submit rebuild_day.py --lake hdfs://namenode:port/path --date 2026-11-20

Prints the digest of each table's rows of that day, and what it was before if it was another. Exits 1 with one line on the
error stream when the lake is out of reach, or no longer has all the records of the day.
"""

import sys
from datetime import date

from shopnow_spark import application, rebuild


def main(arguments: list[str] | None = None) -> int:
    parser = application.parser("rebuild_day", "Make the events and KPIs of a day anew from raw.")
    parser.add_argument(
        "--date", required=True, type=date.fromisoformat, help="the day, UTC, such as 2026-11-20"
    )
    given = parser.parse_args(arguments)
    return application.run(
        "rebuild_day",
        given.lake,
        lambda start: (each.summary() for each in rebuild.rebuild(given.lake, given.date, start)),
    )


if __name__ == "__main__":
    sys.exit(main())
