"""How clients log in to Redis. Imports only the standard library, as the health check uses it."""

import ssl
from urllib.parse import quote, urlencode

from shopnow.cluster.secret_files import read_secret, secret_file

HOST = "redis"
PORT = 6379
BROKER_DATABASE = 0
RESULT_DATABASE = 1
AIRFLOW_USER = "default"
"""The user that may do everything."""
MONITOR_USER = "monitor"
"""The user of the service monitor, who may ping Redis and Celery's workers."""

_PASSWORDS = {AIRFLOW_USER: "redis_password", MONITOR_USER: "redis_monitor_password"}


def url(database: int = BROKER_DATABASE, user: str = AIRFLOW_USER) -> str:
    """Return the URL of a database, with the user's password and the verification of the certificate.

    Raises:
        UserError: the user's password is not mounted in this container.
    """
    tls = urlencode({"ssl_cert_reqs": "required", "ssl_ca_certs": str(_authority())})
    return f"rediss://{user}:{quote(password(user), safe='')}@{HOST}:{PORT}/{database}?{tls}"


def password(user: str) -> str:
    """Return a user's password.

    Raises:
        UserError: it is not mounted in this container.
    """
    return read_secret(_PASSWORDS[user])


def tls_context() -> ssl.SSLContext:
    """Return the context of a TLS connection that verifies the server."""
    return ssl.create_default_context(cafile=_authority())


def _authority() -> str:
    return str(secret_file("redis_authority"))
