"""Airflow on this machine: configuration, metadata database, users and secrets."""

import json
import os
import secrets
import subprocess
import sys
from base64 import urlsafe_b64encode
from collections.abc import Callable, Collection, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from shopnow import connections
from shopnow.errors import UserError
from shopnow.history import airflow_database
from shopnow.local_stack import data_dir, openlineage, postgres, spark
from shopnow.settings import ROOT, Settings

ADMIN_USER = "admin"
VIEWER_USER = "viewer"
"""A user with read access only."""

_SECRETS: dict[str, Callable[[], str]] = {
    "fernet_key": lambda: urlsafe_b64encode(secrets.token_bytes(32)).decode(),
    "secret_key": lambda: secrets.token_hex(32),
    "jwt_secret": lambda: secrets.token_hex(32),
    "database_password": lambda: secrets.token_hex(32),
    "database_purge_password": lambda: secrets.token_hex(32),
}


def home_dir(settings: Settings) -> Path:
    return settings.data_dir / "airflow"


def url(settings: Settings, host: str = "127.0.0.1") -> str:
    """Return the address of the API server without a proxy; it serves all below the path of its base URL."""
    path = urlsplit(settings.base_url or "").path
    return f"http://{host}:{settings.ports['airflow']}{path}"


def base_url(settings: Settings) -> str:
    """Return the address at which users open Airflow, for links to it."""
    return settings.base_url or url(settings)


def password_file(settings: Settings) -> Path:
    """Return the file of the users' passwords: a JSON object, by user name."""
    return home_dir(settings) / "passwords.json"


def password(settings: Settings, username: str = ADMIN_USER) -> str:
    return json.loads(password_file(settings).read_text())[username]


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "airflow", *arguments]


def common_options(settings: Settings) -> dict[str, Any]:
    """Return the options that the local stack and the cluster share, keyed SECTION__OPTION."""
    return {
        "CORE__DAGS_FOLDER": ROOT / "dags",
        "CORE__PLUGINS_FOLDER": ROOT / "plugins",
        "CORE__LOAD_EXAMPLES": False,
        "CORE__PARALLELISM": settings.airflow_parallelism,
        "CORE__DAGS_ARE_PAUSED_AT_CREATION": False,
        "API__BASE_URL": base_url(settings),
        "API__PORT": settings.ports["airflow"],
        "API__WORKERS": 1,
        "LOGGING__BASE_LOG_FOLDER": home_dir(settings) / "logs",
        "USAGE_DATA_COLLECTION__ENABLED": False,
        "SHOPNOW__TRAFFIC": settings.traffic == "on",
        "SHOPNOW__LANDING_SHARES": settings.landing_shares,
        "SHOPNOW__RAW_RETENTION_DAYS": settings.raw_retention_days or "",
        "SHOPNOW__VACUUM_HOURS": settings.vacuum_hours,
        "SHOPNOW__HISTORY_DAYS": settings.history_days,
        "SHOPNOW__SPARK_SCRATCH": spark.scratch_dir(settings),
        "SHOPNOW__QUARANTINE_LIMIT": settings.quarantine_limit,
        # The pipeline is a chain of short DAGs: this way the next one starts within a second or two.
        "SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": 0.5,
        # Restart the tasks of a killed scheduler within a minute of the next start; the default takes five.
        "SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": 30,
        "DAG_PROCESSOR__PARSING_PROCESSES": 1,
        "DAG_PROCESSOR__REFRESH_INTERVAL": 30,
        **otel_options(settings),
        **openlineage.airflow_options(settings),
    }


KEY_OPTIONS: Mapping[str, str] = {
    "fernet_key": "CORE__FERNET_KEY",
    "secret_key": "API__SECRET_KEY",
    "jwt_secret": "API_AUTH__JWT_SECRET",
}
"""Options of Airflow's keys, by the key's name."""


def environment(
    settings: Settings,
    java: Path,
    connection_ids: Collection[str] | None = None,
    key_names: Collection[str] = tuple(KEY_OPTIONS),
) -> dict[str, str]:
    """Return the environment of an Airflow process on this machine: all options, and connections.

    Args:
        java: a Java home.
        connection_ids: connections whose secrets the process gets; all by default, with that to the metadata
            database.
        key_names: keys of `KEY_OPTIONS` that the process gets; all by default.
    """
    keys, active_connections = _load_or_create_secrets(settings), connections.load(settings)
    purge = (postgres.PURGE_ROLE, keys["database_purge_password"])
    database = ("127.0.0.1", settings.ports["postgres"], postgres.ROLE, *purge)
    configuration = {
        **common_options(settings),
        "CORE__EXECUTOR": "LocalExecutor",
        "CORE__EXECUTION_API_SERVER_URL": f"{url(settings)}/execution/",
        "CORE__SIMPLE_AUTH_MANAGER_USERS": f"{ADMIN_USER}:admin,{VIEWER_USER}:viewer",
        "CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": password_file(settings),
        **{KEY_OPTIONS[name]: keys[name] for name in key_names},
        "API__HOST": "127.0.0.1",
        "DATABASE__SQL_ALCHEMY_CONN": (
            f"postgresql+psycopg2://{postgres.ROLE}:{keys['database_password']}"
            f"@127.0.0.1:{settings.ports['postgres']}/{postgres.ROLE}"
        ),
        "SHOPNOW__HDFS_URL": f"http://127.0.0.1:{settings.ports['namenode_http']}/explorer.html",
        "SHOPNOW__SLACK_URL": f"http://127.0.0.1:{settings.ports['slack']}/messages",
    }
    return {
        **option_variables(configuration),
        **connections.environment(settings, connection_ids),
        **(connections.metadata_database(*database) if connection_ids is None else {}),
        **otel_variables(settings),
        "AIRFLOW_HOME": str(home_dir(settings)),
        "TMPDIR": str(data_dir.temporary_dir(settings)),
        # Process titles would overwrite the environment, with the variable that marks our processes.
        "SPT_NOENV": "1",
        # Keep matplotlib's font cache, which takes seconds to build.
        "MPLCONFIGDIR": str(settings.data_dir / "matplotlib"),
        # The tuning is for a local master: a Spark cluster keeps its own settings.
        **(
            spark.environment(settings, java)
            if connections.spark_is_local(active_connections)
            else spark.driver_environment(settings, java)
        ),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }


def option_variables(configuration: Mapping[str, Any]) -> dict[str, str]:
    """Return the environment variables that set these options."""
    return {f"AIRFLOW__{option}": str(value) for option, value in configuration.items()}


def otel_options(settings: Settings) -> dict[str, bool]:
    """Return the options that send Airflow's metrics and traces over OTLP, keyed SECTION__OPTION."""
    is_enabled = settings.otel_endpoint is not None
    return {"METRICS__OTEL_ON": is_enabled, "TRACES__OTEL_ON": is_enabled}


def otel_variables(settings: Settings) -> dict[str, str]:
    """Return the OpenTelemetry SDK's environment variables, which name the receiver; empty when it is off."""
    if settings.otel_endpoint is None:
        return {}
    return {
        "OTEL_SERVICE_NAME": "shopnow",
        "OTEL_EXPORTER_OTLP_ENDPOINT": settings.otel_endpoint,
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        # Airflow chooses the trace exporter by this name; its default is the one for gRPC.
        "OTEL_TRACES_EXPORTER": "otlp_proto_http",
    }


def database_login(settings: Settings, role: str = postgres.ROLE) -> dict[str, Any]:
    """Return libpq's parameters of the metadata database on this machine, for a role."""
    return {
        "host": "127.0.0.1",
        "port": settings.ports["postgres"],
        "user": role,
        "password": database_passwords(settings)[role],
        "dbname": postgres.ROLE,
    }


def database_passwords(settings: Settings) -> dict[str, str]:
    """Return the passwords of all roles, by role; created at the first call."""
    keys = _load_or_create_secrets(settings)
    return {
        postgres.ROLE: keys["database_password"],
        postgres.PURGE_ROLE: keys["database_purge_password"],
    }


def prepare(settings: Settings, java: Path) -> None:
    """Create the users' passwords and the tables of the metadata database, or migrate them to this version.

    Grants the role that purges old history its rights on these tables.

    Raises:
        UserError: the migration failed.
    """
    home_dir(settings).mkdir(parents=True, exist_ok=True)
    if not password_file(settings).exists():
        _write_secret(
            password_file(settings), {name: secrets.token_urlsafe(12) for name in (ADMIN_USER, VIEWER_USER)}
        )
    # In the database's folder, so that a new database is never taken as migrated.
    migrated_version = postgres.local_server(settings).data_dir / "airflow_version"
    if not migrated_version.exists() or migrated_version.read_text() != version("apache-airflow"):
        _migrate(settings, java)
        migrated_version.write_text(version("apache-airflow"))
    airflow_database.grant(database_login(settings), postgres.PURGE_ROLE)


def _migrate(settings: Settings, java: Path) -> None:
    migration = subprocess.run(
        command("db", "migrate"),
        env={**os.environ, **environment(settings, java)},
        capture_output=True,
        text=True,
        check=False,
    )
    if migration.returncode:
        error_lines = migration.stderr.strip().splitlines() or ["no output"]
        raise UserError(
            f"migrating Airflow's database in {postgres.local_server(settings).data_dir} failed: "
            f"{error_lines[-1]}; "
            "fix that, or move the folder away to start with an empty one"
        )


def _load_or_create_secrets(settings: Settings) -> dict[str, str]:
    """Return the keys of this installation; those that are missing are created."""
    file = home_dir(settings) / "secrets.json"
    keys: dict[str, str] = json.loads(file.read_text()) if file.exists() else {}
    missing = {name: create() for name, create in _SECRETS.items() if name not in keys}
    if missing:
        home_dir(settings).mkdir(parents=True, exist_ok=True)
        keys |= missing
        _write_secret(file, keys)
    return keys


def _write_secret(file: Path, content: dict[str, str]) -> None:
    new = file.with_name(f"{file.name}.{os.getpid()}")
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
        json.dump(content, stream)
    new.replace(file)
