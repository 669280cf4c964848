"""Configuration of Airflow on the cluster: Celery executor, PostgreSQL metadata database, Redis broker."""

import json
import os
from base64 import urlsafe_b64encode
from hashlib import sha256
from pathlib import Path

from shopnow.cluster import connections, redis, spark
from shopnow.cluster.settings import (
    ANY_ADDRESS,
    API_SERVER,
    NAMENODE,
    POSTGRES,
    RUN_DIR,
    ClusterSettings,
    read_secret,
    write_private_file,
)
from shopnow.connections import metadata_database
from shopnow.local_stack import airflow
from shopnow.settings import Settings

USERS = {"admin": "admin", "operator": "op", "viewer": "viewer"}
"""User names and their roles; the password of each user is the secret `<name>_password`."""

PASSWORD_FILE = RUN_DIR / "passwords.json"

TASK_LOGS = "/airflow-logs"
"""HDFS directory to which a task's log is uploaded when the task ends."""

_LOG_FILENAME_TEMPLATE = (
    # Airflow's default, except that the colons of a run id are replaced: HDFS rejects them in file names.
    "dag_id={{ ti.dag_id }}/run_id={{ ti.run_id | replace(':', '_') }}/task_id={{ ti.task_id }}/"
    "{% if ti.map_index >= 0 %}map_index={{ ti.map_index }}/{% endif %}"
    "attempt={{ try_number|default(ti.try_number) }}.log"
)


def environment(
    cluster: ClusterSettings, settings: Settings, java_home: Path, kafka_user: str | None
) -> dict[str, str]:
    """Build the environment of an Airflow process: its configuration and its connections.

    `AIRFLOW__*` variables that are already set take precedence.

    Args:
        kafka_user: user of `kafka_users` as which the process connects; None for no Kafka connection.
    """
    database = f"postgresql+psycopg2://airflow:{read_secret('database_password')}@{POSTGRES}/airflow"
    configuration = {
        **airflow.common_options(settings),
        "CORE__EXECUTOR": "CeleryExecutor",
        "CORE__EXECUTION_API_SERVER_URL": f"{airflow.url(settings, API_SERVER)}/execution/",
        "CORE__SIMPLE_AUTH_MANAGER_USERS": ",".join(f"{name}:{role}" for name, role in USERS.items()),
        "CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": PASSWORD_FILE,
        "CORE__FERNET_KEY": _fernet_key(read_secret("fernet_key")),
        "API__HOST": ANY_ADDRESS,
        "API__SECRET_KEY": read_secret("api_secret_key"),
        "API_AUTH__JWT_SECRET": read_secret("jwt_secret"),
        "DATABASE__SQL_ALCHEMY_CONN": database,
        "CELERY__BROKER_URL": redis.url(),
        "CELERY__RESULT_BACKEND": f"db+{database}",
        "CELERY__WORKER_CONCURRENCY": cluster.celery_concurrency,
        "LOGGING__REMOTE_LOGGING": True,
        "LOGGING__REMOTE_BASE_LOG_FOLDER": f"hdfs://{NAMENODE}:{settings.ports['namenode']}{TASK_LOGS}",
        "LOGGING__REMOTE_LOG_CONN_ID": "webhdfs_default",
        "LOGGING__LOGGING_CONFIG_CLASS": "shopnow.cluster.task_logs.LOGGING_CONFIG",
        "LOGGING__LOG_FILENAME_TEMPLATE": _LOG_FILENAME_TEMPLATE,
        "SCHEDULER__ENABLE_HEALTH_CHECK": True,
        # Tasks of a killed worker are retried after one minute instead of five.
        "SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": 60,
    }
    # As "pipeline" connect the workers, which run the tasks.
    task_connections = (
        metadata_database(POSTGRES, 5432, "airflow", read_secret("database_password"))
        if kafka_user == "pipeline"
        else {}
    )
    return {
        **airflow.option_variables(configuration),
        **connections.variables(cluster, settings, kafka_user),
        **task_connections,
        **airflow.otel_variables(settings),
        "AIRFLOW_HOME": str(airflow.home_dir(settings)),
        "MPLCONFIGDIR": str(settings.data_dir / "matplotlib"),
        **spark.environment(cluster, settings, java_home),
        **{name: value for name, value in os.environ.items() if name.startswith("AIRFLOW__")},
    }


def write_passwords() -> None:
    """Write the users' passwords to the file that the API server reads."""
    passwords = {name: read_secret(f"{name}_password") for name in USERS}
    write_private_file(PASSWORD_FILE, json.dumps(passwords))


def _fernet_key(secret: str) -> str:
    """Derive a key in Fernet's format from a secret of any format."""
    return urlsafe_b64encode(sha256(secret.encode()).digest()).decode()
