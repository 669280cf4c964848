"""Task logs on HDFS, by the provider's handler, so that they outlive the worker and the volume they were written to.

Airflow is told of this module by `[logging] logging_config_class`, and takes `REMOTE_TASK_LOG` from it.
"""

from pathlib import PurePosixPath
from typing import Any

from airflow.config_templates.airflow_local_settings import DEFAULT_LOGGING_CONFIG
from airflow.providers.apache.hdfs.log.hdfs_task_handler import HdfsRemoteLogIO

LOGGING_CONFIG = DEFAULT_LOGGING_CONFIG


class TaskLogs(HdfsRemoteLogIO):
    def read(self, relative_path: str, ti: Any) -> tuple[list[str], list[str]]:
        """Where an attempt's log was read, and what is in it; what its trigger logged is in a file beside.

        If HDFS does not answer, it says so: Airflow then takes what it has itself, and shows no error.
        """
        path = PurePosixPath(self.remote_base, relative_path)
        try:
            client = self.hook.get_conn()
            names = client.list(str(path.parent)) if client.status(str(path.parent), strict=False) else []
            found = [str(path.with_name(name)) for name in sorted(names) if name.startswith(path.name)]
            return found, [_text(client, file) for file in found]
        except Exception as error:  # of whatever kind: the name is unknown, nobody listens, HDFS refuses
            return [f"HDFS does not give the log: {error}"], []


def _text(client: Any, path: str) -> str:
    with client.read(path) as reader:
        return reader.read().decode()


REMOTE_TASK_LOG = TaskLogs.from_config()
