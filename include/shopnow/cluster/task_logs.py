"""Task logs on HDFS, where they outlive the Celery worker and its log volume.

Airflow loads this module through `[logging] logging_config_class` and reads `REMOTE_TASK_LOG` from it.
"""

from pathlib import PurePosixPath
from typing import Any

from airflow.config_templates.airflow_local_settings import DEFAULT_LOGGING_CONFIG
from airflow.providers.apache.hdfs.log.hdfs_task_handler import HdfsRemoteLogIO

LOGGING_CONFIG = DEFAULT_LOGGING_CONFIG


class HdfsTaskLogs(HdfsRemoteLogIO):
    def read(self, relative_path: str, ti: Any) -> tuple[list[str], list[str]]:
        """Read the log of one attempt, and the log of its trigger, which is in a sibling file.

        A failure is returned instead of a path; Airflow then falls back to its local copy and shows no error.

        Returns:
            The paths that were read, and the text of each.
        """
        path = PurePosixPath(self.remote_base, relative_path)
        try:
            client = self.hook.get_conn()
            names = client.list(str(path.parent)) if client.status(str(path.parent), strict=False) else []
            files = [str(path.with_name(name)) for name in sorted(names) if name.startswith(path.name)]
            return files, [_read_text(client, file) for file in files]
        except Exception as error:  # any kind: unknown host, connection refused, HDFS error
            return [f"HDFS does not return the log: {error}"], []


def _read_text(client: Any, path: str) -> str:
    with client.read(path) as reader:
        return reader.read().decode()


REMOTE_TASK_LOG = HdfsTaskLogs.from_config()
