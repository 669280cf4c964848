"""Spark application: refresh typed events from new raw records, and KPIs from changed events.

    spark-submit compute_kpis.py --lake hdfs://namenode:port/path

Prints one line for each table it wrote. Exits 1 with one line on standard error when the lake does not
answer.
"""

import sys

from shopnow_spark import application, jobs


def main(arguments: list[str] | None = None) -> int:
    parser = application.parser("compute_kpis", "Refresh the lake's events and KPIs.")
    lake = parser.parse_args(arguments).lake
    return application.run(
        "compute_kpis", lake, lambda start: [result.summary() for result in jobs.refresh(lake, start)]
    )


if __name__ == "__main__":
    sys.exit(main())
