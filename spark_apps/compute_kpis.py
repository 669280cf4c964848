"""Spark application: raw records into typed events, and those into KPIs, as far as there is anything new.

    spark-submit compute_kpis.py --lake hdfs://namenode:port/path

Prints one line for each table it wrote. Exits 1 with one line on the error stream when the lake is out of reach.
"""

import argparse
import sys

from py4j.protocol import Py4JJavaError
from pyspark.sql import SparkSession

from shopnow.errors import UserError
from shopnow.lake import failures
from shopnow_spark import jobs


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="compute_kpis", description="Bring the lake's events and KPIs up to date.")
    parser.add_argument("--lake", required=True, help="address of the lake, such as hdfs://127.0.0.1:9820/shopnow")
    lake = parser.parse_args(arguments).lake
    if "://" not in lake:
        parser.error(f"--lake {lake}: must be an address such as hdfs://127.0.0.1:9820/shopnow")
    try:
        with failures.as_user_errors(lake):
            done = jobs.refresh(lake, SparkSession.builder.appName("compute_kpis").getOrCreate)
    except UserError as error:
        return _failed(error)
    except Py4JJavaError as error:
        if "java.net.ConnectException" not in str(error.java_exception):
            raise
        return _failed(failures.failure(lake, error.java_exception))
    print("\n".join(each.summary() for each in done) or "nothing new")
    return 0


def _failed(error: UserError) -> int:
    print(f"compute_kpis: {error}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
