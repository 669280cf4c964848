"""Spark application: raw records into typed events, and those into KPIs, as far as there is anything new.

    spark-submit compute_kpis.py --lake hdfs://namenode:port/path

Prints one line for each table it wrote. Exits 1 with one line on the error stream when the lake is out of reach.
"""

import sys

from shopnow_spark import application, jobs


def main(arguments: list[str] | None = None) -> int:
    lake = (
        application.parser("compute_kpis", "Bring the lake's events and KPIs up to date.")
        .parse_args(arguments)
        .lake
    )
    return application.run(
        "compute_kpis", lake, lambda start: [each.summary() for each in jobs.refresh(lake, start)]
    )


if __name__ == "__main__":
    sys.exit(main())
