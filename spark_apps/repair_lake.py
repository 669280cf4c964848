"""Spark application: replace damaged files of events and KPI tables by rows computed again.

    spark-submit repair_lake.py --lake hdfs://namenode:port/path

Prints one line for each table it wrote. Exits 1 with one line on standard error when the lake does not
answer, or no longer has the records of a damaged day. Damaged files of raw tables and of logs come first:
`./shopnow repair` repairs those.
"""

import sys

from shopnow_spark import application, repair


def main(arguments: list[str] | None = None) -> int:
    parser = application.parser("repair_lake", "Replace damaged files of events and KPI tables.")
    lake = parser.parse_args(arguments).lake
    return application.run(
        "repair_lake", lake, lambda start: [result.summary() for result in repair.repair(lake, start)]
    )


if __name__ == "__main__":
    sys.exit(main())
