"""The environment of everything that `./shopnow` starts: the user's, mended where programs would fail on it.

Standard library only, as `./shopnow` uses it before it installs anything.
"""

import locale
import os
import pwd
import ssl
import tempfile
from collections.abc import Mapping
from pathlib import Path

from shopnow.errors import UserError

CA_FILE_VARIABLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "PIP_CERT")
"""Names of the file of trusted certificate authorities, by which programs look for it; the first counts."""

NAMESPACE_USER = "nobody"
"""Name of a user without an entry in the user database in `local_stack.user_namespace`."""


def prepare(environment: Mapping[str, str], fallback_home: Path) -> dict[str, str]:
    """Return the environment for the children of `./shopnow`.

    Args:
        environment: the user's.
        fallback_home: folder that takes the place of a home or cache folder that cannot be written.

    Raises:
        UserError: the file of certificate authorities cannot be used.
    """
    return {
        **environment,
        **_folders(environment, fallback_home),
        **_user(environment),
        **_language(),
        **_certificate_authorities(environment),
        **_package_index(environment),
        **_no_proxy(environment),
    }


def system_certificates() -> str | None:
    """Return the file or folder of the certificate authorities that OpenSSL trusts; None without any."""
    paths = ssl.get_default_verify_paths()
    if paths.cafile:
        return paths.cafile
    return paths.capath if paths.capath and any(Path(paths.capath).iterdir()) else None


def _folders(environment: Mapping[str, str], fallback_home: Path) -> dict[str, str]:
    """Replace home and cache folders that cannot be written, where pip, uv and others store files."""
    variables = {}
    if not _is_writable(environment.get("HOME")):
        variables["HOME"] = str(fallback_home)
    if environment.get("XDG_CACHE_HOME") and not _is_writable(environment["XDG_CACHE_HOME"]):
        variables["XDG_CACHE_HOME"] = str(fallback_home / ".cache")
    for folder in variables.values():
        Path(folder).mkdir(parents=True, exist_ok=True, mode=0o700)
    return variables


def _is_writable(folder: str | None) -> bool:
    """Create the folder if it is missing; return whether files can be created in it."""
    if not folder or not Path(folder).is_absolute():
        return False
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError:
        return False
    return True


def _user(environment: Mapping[str, str]) -> dict[str, str]:
    """Name a user without an entry in the user database: Airflow and others refuse to run without a name."""
    try:
        pwd.getpwuid(os.getuid())
    except KeyError:
        name = environment.get("USER") or environment.get("LOGNAME") or f"uid{os.getuid()}"
        # HDFS clients read neither. To write the lake, they must be the same user as the services.
        hdfs_user = environment.get("HADOOP_USER_NAME") or NAMESPACE_USER
        return {"USER": name, "LOGNAME": name, "HADOOP_USER_NAME": hdfs_user}
    return {}


def _language() -> dict[str, str]:
    """Choose UTF-8 if the user's locale has another encoding or is not installed.

    Java could not open a file whose name is not ASCII.
    """
    before = locale.setlocale(locale.LC_CTYPE)
    try:
        locale.setlocale(locale.LC_ALL, "")
        is_utf8 = locale.nl_langinfo(locale.CODESET).upper() == "UTF-8"
    except locale.Error:
        is_utf8 = False
    finally:
        locale.setlocale(locale.LC_CTYPE, before)
    return {} if is_utf8 else {"LC_ALL": "C.UTF-8"}


def _certificate_authorities(environment: Mapping[str, str]) -> dict[str, str]:
    """Give every program the authorities that the user named for one of them, under the names they know."""
    name = next((name for name in CA_FILE_VARIABLES if environment.get(name)), None)
    if name is None:
        # pip and uv would trust the authorities in their own packages only.
        system = system_certificates()
        return {"PIP_CERT": system, "UV_SYSTEM_CERTS": "true"} if system else {}
    file = environment[name]
    if not Path(file).is_dir():
        try:
            ssl.create_default_context(cafile=file)
        except OSError as error:
            reason = (
                "does not exist" if isinstance(error, FileNotFoundError) else f"has no certificates ({error})"
            )
            raise UserError(
                f"{name}={file} {reason}: set it to a PEM file with the certificates of your authorities"
            ) from None
        names = (*CA_FILE_VARIABLES, "NODE_EXTRA_CA_CERTS")
        return {other: file for other in names if not environment.get(other)}
    folder_names = ("SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "PIP_CERT")
    return {other: file for other in folder_names if not environment.get(other)}


def _package_index(environment: Mapping[str, str]) -> dict[str, str]:
    """Give uv the index of pip, and pip that of uv."""
    pip, uv = "PIP_INDEX_URL", "UV_DEFAULT_INDEX"
    return {
        own: environment[other]
        for own, other in ((pip, uv), (uv, pip))
        if environment.get(other) and not environment.get(own)
    }


def _no_proxy(environment: Mapping[str, str]) -> dict[str, str]:
    """Exempt the services, which run on this machine, where a proxy does not reach them."""
    hosts = environment.get("NO_PROXY", environment.get("no_proxy"))
    no_proxy = ",".join(filter(None, [hosts, "127.0.0.1,localhost"]))
    return {"NO_PROXY": no_proxy, "no_proxy": no_proxy}
