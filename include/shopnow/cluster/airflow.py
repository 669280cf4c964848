"""Configuration of Airflow on the cluster: Celery executor, PostgreSQL metadata database, Redis broker."""

import json
import os
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

from shopnow.cluster import connections, postgres, redis_client, spark
from shopnow.cluster.secret_files import derive_key, read_secret, write_private_file
from shopnow.cluster.settings import ANY_ADDRESS, API_SERVER, NAMENODE, POSTGRES, RUN_DIR, ClusterSettings
from shopnow.connections import metadata_database
from shopnow.local_stack import airflow
from shopnow.local_stack.postgres import PURGE_ROLE, ROLE
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


_SIGNING_KEY_BYTES = 64
"""What HS512 recommends, by which Airflow signs."""

_SECRET_OPTIONS: Mapping[str, Callable[[], dict[str, str]]] = {
    "database_password": lambda: {"DATABASE__SQL_ALCHEMY_CONN": postgres.url()},
    "redis_password": lambda: {
        "CELERY__BROKER_URL": redis_client.url(redis_client.BROKER_DATABASE),
        # Not the metadata database, as the workers write their results there.
        "CELERY__RESULT_BACKEND": redis_client.url(redis_client.RESULT_DATABASE),
    },
    "fernet_key": lambda: {"CORE__FERNET_KEY": derive_key("fernet_key")},
    "api_secret_key": lambda: {"API__SECRET_KEY": derive_key("api_secret_key", _SIGNING_KEY_BYTES)},
    "jwt_secret": lambda: {"API_AUTH__JWT_SECRET": derive_key("jwt_secret", _SIGNING_KEY_BYTES)},
}
"""Options that hold a secret, by the secret's name."""


def environment(
    cluster: ClusterSettings,
    settings: Settings,
    java_home: Path,
    secrets: Collection[str],
    kafka_user: str | None = None,
) -> dict[str, str]:
    """Build the environment of an Airflow process: its configuration and its connections.

    `AIRFLOW__*` variables that are already set take precedence.

    Args:
        secrets: secrets of `_SECRET_OPTIONS` that the process needs.
        kafka_user: user of `kafka_users` as which the process connects; None for no Kafka connection.

    Raises:
        UserError: a secret is not mounted in this container.
    """
    configuration = {
        **airflow.common_options(settings),
        "CORE__EXECUTOR": "CeleryExecutor",
        "CORE__EXECUTION_API_SERVER_URL": f"{airflow.url(settings, API_SERVER)}/execution/",
        "CORE__SIMPLE_AUTH_MANAGER_USERS": ",".join(f"{name}:{role}" for name, role in USERS.items()),
        "CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": PASSWORD_FILE,
        # The health checks find the heartbeat of a process by this name.
        "CORE__HOSTNAME_CALLABLE": "socket.gethostname",
        "API__HOST": ANY_ADDRESS,
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
    for name in secrets:
        configuration |= _SECRET_OPTIONS[name]()
    # As "pipeline" connect the workers, which run the tasks.
    task_connections = (
        metadata_database(POSTGRES, 5432, ROLE, PURGE_ROLE, read_secret("database_purge_password"))
        if kafka_user == "pipeline"
        else {}
    )
    return {
        **airflow.option_variables(configuration),
        **connections.variables(cluster, settings, kafka_user),
        **task_connections,
        **airflow.otel_variables(settings),
        **postgres.CLIENT_ENVIRONMENT,
        "AIRFLOW_HOME": str(airflow.home_dir(settings)),
        "MPLCONFIGDIR": str(settings.data_dir / "matplotlib"),
        **spark.environment(cluster, settings, java_home),
        **{name: value for name, value in os.environ.items() if name.startswith("AIRFLOW__")},
    }


def write_passwords() -> None:
    """Write the users' passwords to the file that the API server reads."""
    passwords = {name: read_secret(f"{name}_password") for name in USERS}
    write_private_file(PASSWORD_FILE, json.dumps(passwords))
