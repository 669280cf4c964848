"""Secrets of a container: files that docker-compose.yaml mounts, and private files with secrets.

Imports only the standard library, as the health check uses it.
"""

import os
from base64 import urlsafe_b64encode
from hashlib import sha256, sha512
from pathlib import Path

from shopnow.errors import UserError

SECRETS_DIR = Path("/run/secrets")


def secret_file(name: str) -> Path:
    """Return the file of a secret, for programs that read it themselves."""
    return SECRETS_DIR / name


def read_secret(name: str) -> str:
    """Read the secret mounted under this name.

    Raises:
        UserError: the secret is not mounted in this container, or is empty.
    """
    file = secret_file(name)
    try:
        value = file.read_text().strip()
    except OSError:
        value = ""
    if not value:
        raise UserError(
            f"secret {name} is missing or empty: set SHOPNOW_{name.upper()} in the environment or in .env, "
            "from which docker-compose.yaml mounts it"
        )
    return value


def derive_key(name: str, size: int = 32) -> str:
    """Derive a key from a secret of any characters, in URL-safe base64.

    Args:
        size: length of the key before it is encoded, bytes: 32, as Fernet takes them, or 64.

    Raises:
        UserError: the secret is not mounted in this container, or is empty.
    """
    hash_function = {32: sha256, 64: sha512}[size]
    return urlsafe_b64encode(hash_function(read_secret(name).encode()).digest()).decode()


def write_private_file(path: Path, text: str) -> None:
    """Write a file that only its owner may read, because it holds a secret."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as stream:
        stream.write(text)
