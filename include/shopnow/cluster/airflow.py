"""Airflow on a cluster: Celery workers, PostgreSQL and Redis."""

import json
import os
from base64 import urlsafe_b64encode
from hashlib import sha256
from pathlib import Path

from shopnow.cluster import connections, spark
from shopnow.cluster.settings import API_SERVER, EVERYWHERE, NAMENODE, POSTGRES, REDIS, RUN, Cluster, secret
from shopnow.local_stack import airflow, telemetry
from shopnow.settings import Settings

USERS = {"admin": "admin", "operator": "op", "viewer": "viewer"}
"""User names to roles; the password of each is the secret `<name>_password`."""

PASSWORDS = RUN / "passwords.json"

TASK_LOGS = "/airflow-logs"
"""The folder on HDFS where the log of a task goes when it ends."""

_LOG_FILE = (
    # Airflow's own names, but for the colons of a run's id, which HDFS takes in no name.
    "dag_id={{ ti.dag_id }}/run_id={{ ti.run_id | replace(':', '_') }}/task_id={{ ti.task_id }}/"
    "{% if ti.map_index >= 0 %}map_index={{ ti.map_index }}/{% endif %}attempt={{ try_number|default(ti.try_number) }}.log"
)


def environment(cluster: Cluster, settings: Settings, java: Path, kafka_user: str | None) -> dict[str, str]:
    """The environment every Airflow process gets: its whole configuration and the connections; what it has already wins.

    `kafka_user` is who it is to Kafka, if it has to do with it.
    """
    database = f"postgresql+psycopg2://airflow:{secret('database_password')}@{POSTGRES}/airflow"
    configuration = {
        **airflow.shared(settings),
        "CORE__EXECUTOR": "CeleryExecutor",
        "CORE__EXECUTION_API_SERVER_URL": f"http://{API_SERVER}:{settings.ports['airflow']}/execution/",
        "CORE__SIMPLE_AUTH_MANAGER_USERS": ",".join(f"{name}:{role}" for name, role in USERS.items()),
        "CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": PASSWORDS,
        "CORE__FERNET_KEY": _fernet_key(secret("fernet_key")),
        "API__HOST": EVERYWHERE,
        "API__SECRET_KEY": secret("api_secret_key"),
        "API_AUTH__JWT_SECRET": secret("jwt_secret"),
        "DATABASE__SQL_ALCHEMY_CONN": database,
        "CELERY__BROKER_URL": broker_url(),
        "CELERY__RESULT_BACKEND": f"db+{database}",
        "CELERY__WORKER_CONCURRENCY": cluster.celery_concurrency,
        "LOGGING__REMOTE_LOGGING": True,
        "LOGGING__REMOTE_BASE_LOG_FOLDER": f"hdfs://{NAMENODE}:{settings.ports['namenode']}{TASK_LOGS}",
        "LOGGING__REMOTE_LOG_CONN_ID": "webhdfs_default",
        "LOGGING__LOGGING_CONFIG_CLASS": "shopnow.cluster.task_logs.LOGGING_CONFIG",
        "LOGGING__LOG_FILENAME_TEMPLATE": _LOG_FILE,
        "SCHEDULER__ENABLE_HEALTH_CHECK": True,
        # What a killed worker was at is tried again after a minute, not after five.
        "SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": 60,
    }
    return {
        **airflow.variables(configuration),
        **connections.variables(cluster, settings, kafka_user),
        **telemetry.variables(settings),
        "AIRFLOW_HOME": str(airflow.home(settings)),
        "MPLCONFIGDIR": str(settings.data_dir / "matplotlib"),
        **spark.environment(cluster, settings, java),
        **{name: value for name, value in os.environ.items() if name.startswith("AIRFLOW__")},
    }


def broker_url() -> str:
    """Where Celery's queues are."""
    return f"redis://:{secret('redis_password')}@{REDIS}:6379/0"


def write_passwords() -> None:
    """Gives the API server the users' passwords."""
    with os.fdopen(os.open(PASSWORDS, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as stream:
        json.dump({name: secret(f"{name}_password") for name in USERS}, stream)


def _fernet_key(text: str) -> str:
    """A key of the form Fernet wants, from a secret of any form."""
    return urlsafe_b64encode(sha256(text.encode()).digest()).decode()
