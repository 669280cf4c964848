"""PostgreSQL, which keeps Airflow's metadata."""

import subprocess
from pathlib import Path

from shopnow.cluster.settings import RUN, secret
from shopnow.errors import UserError
from shopnow.settings import Settings

_AIRFLOW = "airflow"
"""The name of Airflow's database and of its role, which is no superuser."""

_ACCESS = f"""\
local all postgres peer map=container
host {_AIRFLOW} {_AIRFLOW} all scram-sha-256
"""
_IDENTITIES = "container shopnow postgres\n"
"""The superuser is whoever runs in this container, and nobody from outside."""


def command(settings: Settings) -> list[str]:
    """The server's command line."""
    options = {
        "listen_addresses": "*",
        "unix_socket_directories": str(RUN),
        "shared_buffers": "128MB",
        "max_connections": "200",
        # The image is without it.
        "jit": "off",
    }
    return [
        "postgres",
        "-D",
        str(_data(settings)),
        *(word for name, value in options.items() for word in ("-c", f"{name}={value}")),
    ]


def prepare(settings: Settings) -> None:
    """Makes the database, the first time; gives Airflow's role the password of the secret, every time.

    Raises:
        UserError: PostgreSQL refuses.
    """
    data = _data(settings)
    if not (data / "PG_VERSION").exists():
        _run(
            [
                "initdb",
                "-D",
                str(data),
                "-U",
                "postgres",
                "--locale=C.UTF-8",
                "--encoding=UTF8",
                "--auth=reject",
            ]
        )
        _run_sql(data, f"CREATE ROLE {_AIRFLOW} LOGIN;")
        _run_sql(data, f"CREATE DATABASE {_AIRFLOW} OWNER {_AIRFLOW};")
    (data / "pg_hba.conf").write_text(_ACCESS)
    (data / "pg_ident.conf").write_text(_IDENTITIES)
    password = secret("database_password").replace("'", "''")
    _run_sql(data, f"ALTER ROLE {_AIRFLOW} PASSWORD '{password}';")


def _data(settings: Settings) -> Path:
    return settings.data_dir / "postgres"


def _run_sql(data: Path, statement: str) -> None:
    """By the server itself, before it serves."""
    _run(["postgres", "--single", "-D", str(data), "postgres"], statement + "\n")


def _run(command: list[str], text: str = "") -> None:
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    if done.returncode or "ERROR:" in done.stderr:
        # Not the statement, which may hold the password.
        reason = [line for line in done.stderr.splitlines() if "STATEMENT" not in line] or ["no output"]
        raise UserError(f"{command[0]} failed: {reason[-1]}")
