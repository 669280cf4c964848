"""Sessions of Spark Connect, with an engine that already runs in another process."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from pyspark.sql import SparkSession
from pyspark.sql.connect.client import DefaultChannelBuilder
from pyspark.sql.connect.client.retries import DefaultPolicy
from pyspark.sql.connect.session import SparkSession as ConnectSession

from shopnow.kpis import parameters
from shopnow.settings import Settings

CHANNEL_OPTIONS = [
    # An engine that is frozen is noticed after 20 s; otherwise its client would wait for ever.
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    # Without this limit, whose default is a minute, the one before has no effect.
    ("grpc.http2.ping_timeout_ms", 10_000),
    # Limit of an attempt to connect, which a frozen engine's kernel still accepts.
    ("grpc.min_reconnect_backoff_ms", 5_000),
    ("grpc.http2.max_pings_without_data", 0),
]
_RETRIES = 1
"""Retries of a call; the client's own 15 take ten minutes. Work that fails is left to spark-submit."""

_MODE = "SPARK_CONNECT_MODE_ENABLED"


@contextmanager
def session(url: str, settings: Settings) -> Iterator[SparkSession]:
    """Yield a new session with the parameters of the KPIs, and close it afterwards.

    Args:
        url: address of the engine, such as `sc://127.0.0.1:15002`.

    Raises:
        pyspark.errors.PySparkException: the engine does not answer, or fails.
    """
    builder = ConnectSession.builder.channelBuilder(DefaultChannelBuilder(url, CHANNEL_OPTIONS))
    opened = builder.create()
    try:
        opened.client.set_retry_policies([DefaultPolicy(max_retries=_RETRIES)])
        for name, value in parameters.spark_properties(settings).items():
            opened.conf.set(name, value)
        yield opened
    finally:
        opened.stop()


@contextmanager
def column_functions() -> Iterator[None]:
    """Make `pyspark.sql.functions` build columns for Spark Connect in the block, also in its threads.

    The module looks at this variable at each call. A spark-submit that inherits it would fail.
    """
    os.environ[_MODE] = "1"
    try:
        yield
    finally:
        os.environ.pop(_MODE, None)  # stopping a session removes it, too
