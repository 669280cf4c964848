"""Redis: the broker of Celery's task queues."""

from shopnow.cluster.settings import REDIS, RUN_DIR, read_secret, write_private_file
from shopnow.settings import Settings

_CONFIG_FILE = RUN_DIR / "redis.conf"


def url() -> str:
    """Return the URL of the Celery broker, including its password."""
    return f"redis://:{read_secret('redis_password')}@{REDIS}:6379/0"


def command() -> list[str]:
    """Return the server's command line."""
    return ["redis-server", str(_CONFIG_FILE)]


def prepare(settings: Settings) -> None:
    """Write the server's configuration, which holds the password."""
    data = settings.data_dir / "redis"
    data.mkdir(parents=True, exist_ok=True)
    options = {
        "dir": str(data),
        "requirepass": read_secret("redis_password"),
        # Queued tasks survive a restart.
        "appendonly": "yes",
        "maxmemory-policy": "noeviction",
    }
    write_private_file(_CONFIG_FILE, "".join(f"{name} {value}\n" for name, value in options.items()))
