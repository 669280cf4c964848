"""Downloads files by HTTP(S) through the user's proxy, with the user's certificate authorities."""

import base64
import http.client
import shutil
import ssl
import time
import urllib.request
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import unquote, urlsplit

from shopnow import launch_environment, network_errors
from shopnow.errors import UserError

SCHEMES = ("https://", "http://", "file://")

_ATTEMPTS = 4
_TIMEOUT_SECONDS = 60


def fetch(url: str, file: Path, size: int) -> None:
    """Download to a file; continues a download that was interrupted, also one of an earlier process.

    Args:
        url: an address of `SCHEMES`; a user and a password in it become a header.
        file: the file, which is incomplete until this returns.
        size: size of the complete file, bytes.

    Raises:
        UserError: it cannot be downloaded; the text has the cause and the next step.
    """
    for attempt in range(_ATTEMPTS):
        try:
            _continue(url, file)
            if file.stat().st_size >= size:
                return
            error: Exception = ConnectionError("the connection was closed early")
        except (OSError, http.client.HTTPException, ValueError) as failure:
            error = failure
            if _is_permanent(failure):
                break
        time.sleep(attempt)
    raise UserError(
        f"downloading {network_errors.redact(url)} failed: {network_errors.explain(f'{error} {error!r}')}"
    ) from None


def _continue(url: str, file: Path) -> None:
    start = file.stat().st_size if file.exists() else 0
    request = _request(url)
    if start:
        request.add_header("Range", f"bytes={start}-")
    try:
        response = _opener().open(request, timeout=_TIMEOUT_SECONDS)
    except HTTPError as error:
        if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            file.unlink()
        raise
    # A server that does not know ranges sends the whole.
    is_rest = response.status == http.HTTPStatus.PARTIAL_CONTENT
    with response, file.open("ab" if is_rest else "wb") as output:
        shutil.copyfileobj(response, output)


def _request(url: str) -> urllib.request.Request:
    parts = urlsplit(url)
    user, _, host = parts.netloc.rpartition("@")
    request = urllib.request.Request(parts._replace(netloc=host).geturl())  # noqa: S310  (the caller's address)
    if user:
        request.add_header("Authorization", f"Basic {base64.b64encode(unquote(user).encode()).decode()}")
    return request


def _opener() -> urllib.request.OpenerDirector:
    context = ssl.create_default_context()
    if launch_environment.system_certificates() is None:
        import certifi

        context.load_verify_locations(certifi.where())
    return urllib.request.build_opener(urllib.request.HTTPSHandler(context=context))


def _is_permanent(error: Exception) -> bool:
    """Return whether another attempt is of no use."""
    if isinstance(error, HTTPError):
        return error.code < http.HTTPStatus.INTERNAL_SERVER_ERROR and error.code not in {
            http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
            http.HTTPStatus.TOO_MANY_REQUESTS,
        }
    return isinstance(error, ValueError) or isinstance(getattr(error, "reason", None), ssl.SSLError)
