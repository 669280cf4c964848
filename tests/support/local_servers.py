"""The local mail and webhook servers as processes of a test, and what they received."""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

TOKEN = "T0TEST/B0TEST/very-secret"  # noqa: S105


@contextmanager
def run_server(module: str, directory: Path, port: int = 0) -> Iterator[tuple[int, subprocess.Popen[str]]]:
    """Run one of the servers as a process; yields its port and the process."""
    command = [
        sys.executable,
        "-m",
        f"shopnow.local_stack.{module}",
        "--port",
        str(port),
        "--directory",
        str(directory),
    ]
    log = (directory.parent / f"{module}.log").open("a")
    with log, subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True) as process:
        try:
            assert process.stdout
            yield int(process.stdout.readline().rpartition(":")[2]), process
        finally:
            process.kill()


class Inbox:
    """What the two servers received, and the Airflow connections to them."""

    def __init__(self, directory: Path) -> None:
        self.mail_directory, self.slack_directory = directory / "mail", directory / "slack"

    def clear(self) -> None:
        """Delete what earlier tests received."""
        for directory in (self.mail_directory, self.slack_directory):
            for path in directory.iterdir():
                path.unlink()

    @staticmethod
    def connections(mail_port: int, slack_port: int) -> dict[str, str]:
        smtp = {
            "from_email": "shopnow@localhost",
            "to_email": "operations@localhost",
            "disable_tls": True,
            "disable_ssl": True,
            "timeout": 5,
        }
        mail = {"conn_type": "smtp", "host": "127.0.0.1", "port": mail_port, "extra": smtp}
        host = f"http://127.0.0.1:{slack_port}/services"
        slack = {"conn_type": "slackwebhook", "host": host, "password": TOKEN, "extra": {"timeout": 2}}
        return {
            "AIRFLOW_CONN_SMTP_DEFAULT": json.dumps(mail),
            "AIRFLOW_CONN_SLACK_DEFAULT": json.dumps(slack),
        }

    def mails(self) -> list[EmailMessage]:
        return [
            message_from_bytes(path.read_bytes(), policy=policy.default)
            for path in sorted(self.mail_directory.glob("*.eml"))
        ]

    def slack(self) -> list[dict]:
        path = self.slack_directory / "messages.jsonl"
        return (
            [json.loads(line)["message"] for line in path.read_text().splitlines()] if path.exists() else []
        )

    def keys(self) -> dict[str, Counter[str]]:
        """Number of messages per dedup key, by channel."""
        return {
            "email": Counter(mail["X-ShopNow-Dedup-Key"] for mail in self.mails()),
            "slack": Counter(
                body["blocks"][-1]["elements"][0]["text"].rpartition(" ")[2] for body in self.slack()
            ),
        }
