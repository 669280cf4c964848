"""PostgreSQL: the metadata database of Airflow."""

import subprocess
from pathlib import Path

from shopnow.cluster.settings import RUN_DIR, read_secret
from shopnow.errors import UserError
from shopnow.settings import Settings

_AIRFLOW_ROLE = "airflow"
"""Name of Airflow's database and of its role, which is not a superuser."""

_HBA_RULES = f"""\
local all postgres peer map=container
host {_AIRFLOW_ROLE} {_AIRFLOW_ROLE} all scram-sha-256
"""
_IDENT_MAP = "container shopnow postgres\n"
"""Only processes of this container may connect as the superuser."""


def command(settings: Settings) -> list[str]:
    """Return the server's command line."""
    options = {
        "listen_addresses": "*",
        "unix_socket_directories": str(RUN_DIR),
        "shared_buffers": "128MB",
        "max_connections": "200",
        # The image does not contain LLVM.
        "jit": "off",
    }
    return [
        "postgres",
        "-D",
        str(_data_dir(settings)),
        *(word for name, value in options.items() for word in ("-c", f"{name}={value}")),
    ]


def prepare(settings: Settings) -> None:
    """Create the database on the first start; set the password of Airflow's role on every start.

    Raises:
        UserError: PostgreSQL rejects a statement.
    """
    data_dir = _data_dir(settings)
    if not (data_dir / "PG_VERSION").exists():
        options = ["-U", "postgres", "--locale=C.UTF-8", "--encoding=UTF8", "--auth=reject"]
        _run(["initdb", "-D", str(data_dir), *options])
        _run_single_user_sql(data_dir, f"CREATE ROLE {_AIRFLOW_ROLE} LOGIN;")
        _run_single_user_sql(data_dir, f"CREATE DATABASE {_AIRFLOW_ROLE} OWNER {_AIRFLOW_ROLE};")
    (data_dir / "pg_hba.conf").write_text(_HBA_RULES)
    (data_dir / "pg_ident.conf").write_text(_IDENT_MAP)
    password = read_secret("database_password").replace("'", "''")
    _run_single_user_sql(data_dir, f"ALTER ROLE {_AIRFLOW_ROLE} PASSWORD '{password}';")


def _data_dir(settings: Settings) -> Path:
    return settings.data_dir / "postgres"


def _run_single_user_sql(data_dir: Path, statement: str) -> None:
    """Run a statement in single-user mode, before the server accepts connections."""
    _run(["postgres", "--single", "-D", str(data_dir), "postgres"], statement + "\n")


def _run(command: list[str], text: str = "") -> None:
    result = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    if result.returncode or "ERROR:" in result.stderr:
        # A STATEMENT line may contain the password.
        lines = [line for line in result.stderr.splitlines() if "STATEMENT" not in line] or ["no output"]
        raise UserError(f"{command[0]} failed: {lines[-1]}")
