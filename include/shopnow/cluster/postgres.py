"""PostgreSQL in its container."""

from shopnow.cluster.settings import RUN_DIR, read_secret
from shopnow.local_stack import postgres
from shopnow.local_stack.postgres import ROLE, Server
from shopnow.settings import Settings

_FILES = {
    "pg_hba.conf": f"local all postgres peer map=container\nhost {ROLE} {ROLE} all scram-sha-256\n",
    # Only processes of this container may connect as the superuser.
    "pg_ident.conf": "container shopnow postgres\n",
}


def command(settings: Settings) -> list[str]:
    """Return the server's command line."""
    return postgres.command(_server(settings))


def prepare(settings: Settings) -> None:
    """Create the database on the first start; set the password of Airflow's role on every start.

    Raises:
        UserError: PostgreSQL rejects a statement.
    """
    postgres.prepare(_server(settings), read_secret("database_password"))


def _server(settings: Settings) -> Server:
    options = {
        **postgres.OPTIONS,
        "listen_addresses": "*",
        "unix_socket_directories": str(RUN_DIR),
        "shared_buffers": "128MB",
        "max_connections": "200",
    }
    return Server(settings.data_dir / "postgres", None, options, _FILES)
