"""Redis: the broker of Celery's task queues, and the store of Celery's results."""

from hashlib import sha256

from shopnow.cluster.redis_client import AIRFLOW_USER, MONITOR_USER, PORT, password
from shopnow.cluster.secret_files import secret_file, write_private_file
from shopnow.cluster.settings import RUN_DIR
from shopnow.settings import Settings

_CONFIG_FILE = RUN_DIR / "redis.conf"

_USERS = {
    AIRFLOW_USER: "~* &* +@all",
    # What Celery's ping needs: to publish on the channel of its remote control, and to read its own reply.
    MONITOR_USER: (
        "resetchannels &/0.celery.pidbox resetkeys ~*.reply.celery.pidbox* ~_kombu.binding_deadlines "
        "-@all +ping +multi +exec +sadd +srem +publish +brpop +llen +del +zadd +zrangebyscore "
        "+evalsha +script|exists +script|load +time"
    ),
}
"""By user, the keys, channels and commands that it may use."""


def command() -> list[str]:
    """Return the server's command line."""
    return ["redis-server", str(_CONFIG_FILE)]


def prepare(settings: Settings) -> None:
    """Write the server's configuration, which holds hashes of the passwords."""
    data = settings.data_dir / "redis"
    data.mkdir(parents=True, exist_ok=True)
    write_private_file(_CONFIG_FILE, "".join(f"{line}\n" for line in configuration(settings)))


def configuration(settings: Settings) -> list[str]:
    """Return the lines of the server's configuration."""
    options = {
        "dir": str(settings.data_dir / "redis"),
        "port": "0",
        "tls-port": str(PORT),
        "tls-cert-file": str(secret_file("redis_certificate")),
        "tls-key-file": str(secret_file("redis_certificate")),
        # Clients log in by password.
        "tls-auth-clients": "no",
        # Queued tasks survive a restart.
        "appendonly": "yes",
        "maxmemory-policy": "noeviction",
    }
    return [
        *(f"{name} {value}" for name, value in options.items()),
        # Hashes have no characters that would need an escape here.
        *(
            f"user {name} on #{sha256(password(name).encode()).hexdigest()} {rules}"
            for name, rules in _USERS.items()
        ),
    ]
