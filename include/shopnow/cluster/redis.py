"""Redis, which keeps Celery's queues."""

import os

from shopnow.cluster.settings import RUN, secret
from shopnow.settings import Settings

_CONFIGURATION = RUN / "redis.conf"


def command() -> list[str]:
    """The server's command line."""
    return ["redis-server", str(_CONFIGURATION)]


def prepare(settings: Settings) -> None:
    """Writes the server's configuration, the password in it."""
    data = settings.data_dir / "redis"
    data.mkdir(parents=True, exist_ok=True)
    options = {
        "dir": str(data),
        "requirepass": secret("redis_password"),
        # What is queued outlives a restart.
        "appendonly": "yes",
        "maxmemory-policy": "noeviction",
    }
    with os.fdopen(os.open(_CONFIGURATION, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as stream:
        stream.writelines(f"{name} {value}\n" for name, value in options.items())
