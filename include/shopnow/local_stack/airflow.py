"""Airflow on this machine: its configuration, database and secrets."""

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
"""May look at everything, and run nothing."""


def home_dir(settings: Settings) -> Path:
    return settings.data_dir / "airflow"


def url(settings: Settings) -> str:
    return f"http://127.0.0.1:{settings.ports['airflow']}"


def password_file(settings: Settings) -> Path:
    """A JSON object of user names to passwords."""
    return home_dir(settings) / "passwords.json"


def password(settings: Settings, username: str = ADMIN_USER) -> str:
    return json.loads(password_file(settings).read_text())[username]


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "airflow", *words]


def common_options(settings: Settings) -> dict[str, Any]:
    """Airflow's configuration wherever it runs, by section and option."""
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
        # A chain of short DAGs: look often, so that a finished step wakes the next within a second or two.
        "SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": 0.5,
        # Tasks that were killed with a scheduler are started again within a minute of the next one's start, not after five.
        "SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": 30,
        "DAG_PROCESSOR__PARSING_PROCESSES": 1,
        "DAG_PROCESSOR__REFRESH_INTERVAL": 30,
        **otel_options(settings),
        **openlineage.airflow_options(settings),
    }


def environment(settings: Settings, java: Path) -> dict[str, str]:
    """The environment every Airflow process on this machine gets: its whole configuration and the connections."""
    keys, in_force = _load_or_create_secrets(settings), connections.load(settings)
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
        # On a busy machine another process may hold the database for longer than the five seconds that are waited for by default.
        "DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{_database(settings)}?timeout=15",
        "SHOPNOW__HDFS_URL": f"http://127.0.0.1:{settings.ports['namenode_http']}/explorer.html",
        "SHOPNOW__SLACK_URL": f"http://127.0.0.1:{settings.ports['slack']}/messages",
    }
    return {
        **option_variables(configuration),
        **connections.environment(settings),
        **otel_variables(settings),
        "AIRFLOW_HOME": str(home_dir(settings)),
        # Airflow gives its processes titles, which are written over their environment, and with it over what they are found by.
        "SPT_NOENV": "1",
        # Where matplotlib keeps its list of fonts, which takes seconds to make.
        "MPLCONFIGDIR": str(settings.data_dir / "matplotlib"),
        # A cluster has settings of its own.
        **(
            spark.environment(settings, java)
            if connections.spark_is_local(in_force)
            else spark.driver_environment(settings, java)
        ),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }


def option_variables(configuration: Mapping[str, Any]) -> dict[str, str]:
    """A configuration as the environment variables Airflow reads it from."""
    return {f"AIRFLOW__{name}": str(value) for name, value in configuration.items()}


def otel_options(settings: Settings) -> dict[str, bool]:
    """The switches, by section and option of Airflow's configuration."""
    on = settings.otel_endpoint is not None
    return {"METRICS__OTEL_ON": on, "TRACES__OTEL_ON": on}


def otel_variables(settings: Settings) -> dict[str, str]:
    """The SDK's environment variables; none when it is off."""
    if settings.otel_endpoint is None:
        return {}
    return {
        "OTEL_SERVICE_NAME": "shopnow",
        "OTEL_EXPORTER_OTLP_ENDPOINT": settings.otel_endpoint,
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        # Airflow takes the exporter of traces by this name, and would take the one for gRPC.
        "OTEL_TRACES_EXPORTER": "otlp_proto_http",
    }


def prepare(settings: Settings, java: Path) -> None:
    """Makes the metadata database and the users' passwords, or brings the database up to the installed version.

    Raises:
        UserError: the database could not be migrated.
    """
    home_dir(settings).mkdir(parents=True, exist_ok=True)
    if not password_file(settings).exists():
        _write_secret(
            password_file(settings), {name: secrets.token_urlsafe(12) for name in (ADMIN_USER, VIEWER_USER)}
        )
    stamp = home_dir(settings) / "migrated"
    if stamp.exists() and stamp.read_text() == version("apache-airflow") and _database(settings).exists():
        return
    run = subprocess.run(
        command("db", "migrate"),
        env={**os.environ, **environment(settings, java)},
        capture_output=True,
        text=True,
        check=False,
    )
    if run.returncode:
        reason = run.stderr.strip().splitlines() or ["no output"]
        raise UserError(f"Airflow's database {_database(settings)} could not be migrated: {reason[-1]}")
    with sqlite3.connect(_database(settings)) as database:
        # Readers and the one writer stop blocking each other; the mode stays with the file.
        database.execute("PRAGMA journal_mode=WAL")
    stamp.write_text(version("apache-airflow"))


def _database(settings: Settings) -> Path:
    return home_dir(settings) / "airflow.db"


def _load_or_create_secrets(settings: Settings) -> dict[str, str]:
    """Keys of this installation, made once."""
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
