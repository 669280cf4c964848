"""Ends a process whose time is up, whatever it is doing.

Python runs signal handlers between its own instructions, so an alarm, such as Airflow's `execution_timeout`, does not reach a
task that waits inside a library; the HDFS client in delta-rs was seen to wait for an answer for ever. A thread below Python
does: the process ends with exit code 1 and its stack on the error stream, and is tried again.
"""

import faulthandler
from datetime import timedelta


def start(limit: timedelta) -> None:
    """Ends this process after that time. There is one limit at a time: a second call replaces the first."""
    faulthandler.dump_traceback_later(limit.total_seconds(), exit=True)


def cancel() -> None:
    """Takes the limit away."""
    faulthandler.cancel_dump_traceback_later()
