"""A timeout that ends the process even while it blocks inside a native library.

Python runs signal handlers only between bytecode instructions, so an alarm such as Airflow's
`execution_timeout` does not interrupt a blocking native call; the HDFS client in delta-rs was seen to wait
for a response for ever. faulthandler's watchdog thread is native: it writes the stack to stderr and exits
with code 1, and Airflow retries the task.
"""

import faulthandler
from datetime import timedelta


def start(limit: timedelta) -> None:
    """End this process after `limit`. Only one timeout is active: a second call replaces the first."""
    faulthandler.dump_traceback_later(limit.total_seconds(), exit=True)


def cancel() -> None:
    """Cancel the timeout."""
    faulthandler.cancel_dump_traceback_later()
