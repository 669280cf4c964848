"""What the Spark applications have in common: their `--lake`, and how they end."""

import argparse
import sys
from collections.abc import Callable, Iterable

from py4j.protocol import Py4JJavaError
from pyspark.sql import SparkSession

from shopnow.errors import UserError
from shopnow.lake.delta import errors
from shopnow_spark.lake_reader import Start


def parser(name: str, description: str) -> argparse.ArgumentParser:
    """A parser of the command line that knows `--lake`."""
    result = argparse.ArgumentParser(prog=name, description=description)
    result.add_argument(
        "--lake",
        required=True,
        type=_address,
        help="address of the lake, such as hdfs://127.0.0.1:9820/shopnow",
    )
    return result


def run(name: str, lake: str, work: Callable[[Start], Iterable[str]]) -> int:
    """Do the work, print its lines, or that there was nothing to do, and give the exit code.

    It is 1, with one line on the error stream, when the lake is out of reach, Spark's disk is full, or the work says what is wrong.
    """
    try:
        with errors.as_user_errors(lake):
            lines = list(work(SparkSession.builder.appName(name).getOrCreate))
    except UserError as error:
        return _failed(name, error)
    except Py4JJavaError as error:
        explained = _explained(lake, str(error.java_exception))
        if explained is None:
            raise
        return _failed(name, explained)
    print("\n".join(lines) or "nothing new")
    return 0


def _explained(lake: str, java_error: str) -> UserError | None:
    """What to tell the user about an error of the JVM, if that is known."""
    if "java.net.ConnectException" in java_error:
        return errors.failure(lake, java_error)
    if "No space left on device" in java_error:
        return UserError(
            "Spark has no room for its temporary files; free some on the disk of spark.local.dir and run it again"
        )
    return None


def _failed(name: str, error: UserError) -> int:
    print(f"{name}: {error}", file=sys.stderr)
    return 1


def _address(text: str) -> str:
    if "://" not in text:
        raise argparse.ArgumentTypeError(f"{text}: must be an address such as hdfs://127.0.0.1:9820/shopnow")
    return text
