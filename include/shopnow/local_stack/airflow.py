"""Airflow on this machine: configuration, metadata database, users and secrets."""

import json
import os
import secrets
import sqlite3
import subprocess
import sys
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from shopnow import connections
from shopnow.errors import UserError
from shopnow.local_stack import openlineage, spark
from shopnow.settings import ROOT, Settings

ADMIN_USER = "admin"
VIEWER_USER = "viewer"
"""A user with read access only."""


def home_dir(settings: Settings) -> Path:
    return settings.data_dir / "airflow"


def url(settings: Settings) -> str:
    return f"http://127.0.0.1:{settings.ports['airflow']}"


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
        "API__BASE_URL": url(settings),
        "API__PORT": settings.ports["airflow"],
        "API__WORKERS": 1,
        "LOGGING__BASE_LOG_FOLDER": home_dir(settings) / "logs",
        "USAGE_DATA_COLLECTION__ENABLED": False,
        "SHOPNOW__TRAFFIC": settings.traffic == "on",
        "SHOPNOW__LANDING_SHARES": settings.landing_shares,
        "SHOPNOW__RAW_RETENTION_DAYS": settings.raw_retention_days or "",
        "SHOPNOW__VACUUM_HOURS": settings.vacuum_hours,
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


def environment(settings: Settings, java: Path) -> dict[str, str]:
    """Return the environment of every Airflow process on this machine: all options and connections."""
    keys, active_connections = _load_or_create_secrets(settings), connections.load(settings)
    configuration = {
        **common_options(settings),
        "CORE__EXECUTOR": "LocalExecutor",
        "CORE__EXECUTION_API_SERVER_URL": f"{url(settings)}/execution/",
        "CORE__SIMPLE_AUTH_MANAGER_USERS": f"{ADMIN_USER}:admin,{VIEWER_USER}:viewer",
        "CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": password_file(settings),
        "CORE__FERNET_KEY": keys["fernet_key"],
        "API__HOST": "127.0.0.1",
        "API__SECRET_KEY": keys["secret_key"],
        "API_AUTH__JWT_SECRET": keys["jwt_secret"],
        # On a busy machine another process may hold SQLite's lock for longer than the default five seconds.
        "DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{_database(settings)}?timeout=15",
        "SHOPNOW__HDFS_URL": f"http://127.0.0.1:{settings.ports['namenode_http']}/explorer.html",
        "SHOPNOW__SLACK_URL": f"http://127.0.0.1:{settings.ports['slack']}/messages",
    }
    return {
        **option_variables(configuration),
        **connections.environment(settings),
        **otel_variables(settings),
        "AIRFLOW_HOME": str(home_dir(settings)),
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


def prepare(settings: Settings, java: Path) -> None:
    """Create the users' passwords and the metadata database, or migrate it to the installed version.

    Raises:
        UserError: the migration failed.
    """
    home_dir(settings).mkdir(parents=True, exist_ok=True)
    if not password_file(settings).exists():
        _write_secret(
            password_file(settings), {name: secrets.token_urlsafe(12) for name in (ADMIN_USER, VIEWER_USER)}
        )
    migrated_version = home_dir(settings) / "migrated"
    if (
        migrated_version.exists()
        and migrated_version.read_text() == version("apache-airflow")
        and _database(settings).exists()
    ):
        return
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
            f"migrating Airflow's database {_database(settings)} failed: {error_lines[-1]}; "
            "fix that, or move the file away to start with an empty one"
        )
    with sqlite3.connect(_database(settings)) as database:
        # In WAL mode readers and the writer do not block each other; the mode is stored in the file.
        database.execute("PRAGMA journal_mode=WAL")
    migrated_version.write_text(version("apache-airflow"))


def _database(settings: Settings) -> Path:
    return home_dir(settings) / "airflow.db"


def _load_or_create_secrets(settings: Settings) -> dict[str, str]:
    """Return the keys of this installation; created at the first call."""
    file = home_dir(settings) / "secrets.json"
    if not file.exists():
        home_dir(settings).mkdir(parents=True, exist_ok=True)
        fernet_key = urlsafe_b64encode(secrets.token_bytes(32)).decode()
        _write_secret(
            file,
            {
                "fernet_key": fernet_key,
                "secret_key": secrets.token_hex(32),
                "jwt_secret": secrets.token_hex(32),
            },
        )
    return json.loads(file.read_text())


def _write_secret(file: Path, content: dict[str, str]) -> None:
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
        json.dump(content, stream)
