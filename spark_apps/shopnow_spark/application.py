"""Command line and exit codes shared by the Spark applications."""

import argparse
import sys
from collections.abc import Callable, Iterable

from py4j.protocol import Py4JJavaError
from pyspark.sql import SparkSession

from shopnow.errors import UserError
from shopnow.lake.delta import errors
from shopnow_spark.lake_reader import Start

_DAMAGE = ("FAILED_READ_FILE", "is not a Parquet file", "could not verify page integrity", "CRC checksum")
"""Parts of Spark's messages about a file that is missing or damaged."""


def parser(name: str, description: str) -> argparse.ArgumentParser:
    """Return a command-line parser with the option `--lake`."""
    result = argparse.ArgumentParser(prog=name, description=description)
    result.add_argument(
        "--lake",
        required=True,
        type=_address,
        help="address of the lake, such as hdfs://127.0.0.1:9820/shopnow",
    )
    return result


def run(name: str, lake: str, work: Callable[[Start], Iterable[str]]) -> int:
    """Do the work, print its lines or "nothing new", and return the exit code.

    The code is 1, with one line on standard error, when the lake does not answer, Spark's disk is full, or
    the work raises UserError.
    """
    try:
        with errors.as_user_errors(lake):
            lines = list(work(SparkSession.builder.appName(name).getOrCreate))
    except UserError as error:
        return _failed(name, error)
    except Py4JJavaError as error:
        known = _known_error(lake, str(error.java_exception))
        if known is None:
            raise
        return _failed(name, known)
    print("\n".join(lines) or "nothing new")
    return 0


def _known_error(lake: str, java_error: str) -> UserError | None:
    """Translate an error of the JVM for the user; None if it is unknown."""
    if "java.net.ConnectException" in java_error:
        return errors.storage_error(lake, java_error)
    if any(text in java_error for text in _DAMAGE):
        return errors.damage_error(lake, java_error.splitlines()[0])
    if "No space left on device" in java_error:
        return UserError(
            "Spark has no disk space for temporary files: free some at spark.local.dir and run again"
        )
    return None


def _failed(name: str, error: UserError) -> int:
    print(f"{name}: {error}", file=sys.stderr)
    return 1


def _address(text: str) -> str:
    if "://" not in text:
        raise argparse.ArgumentTypeError(f"{text}: expected an address such as hdfs://127.0.0.1:9820/shopnow")
    return text
