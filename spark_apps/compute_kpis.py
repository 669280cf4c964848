"""Spark application: raw records into typed events, and those into KPIs, as far as there is anything new.

    spark-submit compute_kpis.py --lake hdfs://namenode:port/path

Prints one line for each table it wrote. Exits 1 with one line on the error stream when the lake is out of reach.
"""

import argparse
import sys

from pyspark.sql import SparkSession

from shopnow.errors import UserError
from shopnow_spark import jobs


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="compute_kpis", description="Bring the lake's events and KPIs up to date.")
    parser.add_argument("--lake", required=True, help="address of the lake, such as hdfs://127.0.0.1:9820/shopnow")
    lake = parser.parse_args(arguments).lake
    try:
        done = jobs.refresh(lake, SparkSession.builder.appName("compute_kpis").getOrCreate)
    except UserError as error:
        print(f"compute_kpis: {error}", file=sys.stderr)
        return 1
    for table in done:
        print(summary(table))
    if not done:
        print("nothing new")
    return 0


def summary(table: jobs.Refreshed) -> str:
    read = "" if table.read is None else f"{table.read:,} new rows, "
    dates = "" if not table.dates else f", {len(table.dates)} dates from {table.dates[0]} to {table.dates[-1]}"
    return f"{table.table}: {read}{table.written:,} rows written{dates}"


if __name__ == "__main__":
    sys.exit(main())
