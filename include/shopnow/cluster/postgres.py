"""PostgreSQL in its container."""

from urllib.parse import quote

from shopnow.cluster.certificates import issue_certificate
from shopnow.cluster.secret_files import read_secret, write_private_file
from shopnow.cluster.settings import POSTGRES, RUN_DIR
from shopnow.local_stack import postgres
from shopnow.local_stack.postgres import PURGE_ROLE, ROLE, Server
from shopnow.settings import Settings

CLIENT_ENVIRONMENT = {
    "PGSSLMODE": "require",
    # Binds the login to the certificate of the connection. The server proves by the login that it has the
    # password's verifier, so nobody in between can have another certificate: no authority is needed.
    "PGCHANNELBINDING": "require",
}
"""Environment of the clients; in the URL, the asynchronous driver would not understand these options."""

_FILES = {
    "pg_hba.conf": "local all postgres peer map=container\n"
    f"hostssl {ROLE} {ROLE},{PURGE_ROLE} all scram-sha-256\n",
    # Only processes of this container may connect as the superuser.
    "pg_ident.conf": "container shopnow postgres\n",
}
_CERTIFICATE = RUN_DIR / "postgres.pem"


def url() -> str:
    """Return the URL of Airflow's database for SQLAlchemy, including its password.

    Raises:
        UserError: the password is not mounted in this container.
    """
    password = quote(read_secret("database_password"), safe="")
    return f"postgresql+psycopg2://{ROLE}:{password}@{POSTGRES}/{ROLE}"


def command(settings: Settings) -> list[str]:
    """Return the server's command line."""
    return postgres.command(_server(settings))


def prepare(settings: Settings) -> None:
    """Create the database on the first start; set the passwords and issue a certificate on every start.

    Raises:
        UserError: PostgreSQL rejects a statement.
    """
    write_private_file(_CERTIFICATE, issue_certificate(POSTGRES, [POSTGRES]).certificate)
    passwords = {
        ROLE: read_secret("database_password"),
        PURGE_ROLE: read_secret("database_purge_password"),
    }
    postgres.prepare(_server(settings), passwords)


def _server(settings: Settings) -> Server:
    options = {
        **postgres.OPTIONS,
        "listen_addresses": "*",
        "unix_socket_directories": str(RUN_DIR),
        "ssl": "on",
        "ssl_cert_file": str(_CERTIFICATE),
        "ssl_key_file": str(_CERTIFICATE),
        "shared_buffers": "128MB",
        "max_connections": "200",
    }
    return Server(settings.data_dir / "postgres", None, options, _FILES)
