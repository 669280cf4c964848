"""Spark application: rebuild the events and KPIs of a day from raw, and replace what differs.

    spark-submit rebuild_day.py --lake hdfs://namenode:port/path --date 2026-11-20

Prints the digest of each table's rows of that day, and the previous digest if it differs. Exits 1 with one
line on standard error when the lake does not answer, or no longer has all the records of the day.
"""

import sys
from datetime import date

from shopnow_spark import application, rebuild


def main(arguments: list[str] | None = None) -> int:
    parser = application.parser("rebuild_day", "Rebuild the events and KPIs of a day from raw.")
    parser.add_argument(
        "--date", required=True, type=date.fromisoformat, help="day to rebuild, UTC, such as 2026-11-20"
    )
    options = parser.parse_args(arguments)
    return application.run(
        "rebuild_day",
        options.lake,
        lambda start: (result.summary() for result in rebuild.rebuild(options.lake, options.date, start)),
    )


if __name__ == "__main__":
    sys.exit(main())
