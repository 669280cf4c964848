"""Which variables of the environment of `up` the services get.

A shell has tokens and passwords in its environment. Only Airflow gets all of it, because the user's own DAGs
may need them; the other services get what locates programs, files and the language.
"""

import os

from shopnow.local_stack import data_dir
from shopnow.settings import ROOT, Settings

RUN_VARIABLE = "SHOPNOW_TEST_RUN"
"""Environment variable of the processes that a `./shopnow test` starts: its process id."""

_NAMES = frozenset(
    {
        *("HOME", "LANG", "LANGUAGE", "LOGNAME", "PATH", "SHELL", "TZ", "USER", "XDG_CACHE_HOME"),
        *("JAVA_HOME", "JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "LD_LIBRARY_PATH"),
        *("SSL_CERT_DIR", "SSL_CERT_FILE"),
        # Mark and coverage of the processes that tests start.
        *(RUN_VARIABLE, "COVERAGE_PROCESS_CONFIG", "COVERAGE_PROCESS_START"),
    }
)
_PROXY_NAMES = frozenset({"ALL_PROXY", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"})


def minimal(settings: Settings) -> dict[str, str]:
    """Return the variables that every service gets."""
    return {
        **{name: value for name, value in os.environ.items() if name in _NAMES or name.startswith("LC_")},
        "PYTHONPATH": str(ROOT / "include"),
        "TMPDIR": str(data_dir.temporary_dir(settings)),
    }


def proxies() -> dict[str, str]:
    """Return the variables that name HTTP proxies, which may contain passwords."""
    return {name: value for name, value in os.environ.items() if name.upper() in _PROXY_NAMES}
