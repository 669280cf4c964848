"""A mail server for tests and local use: accepts every mail and stores it as an `.eml` file.

    python -m shopnow.local_stack.mail_server --port 1025 --directory .shopnow/smtp

A mail is on disk before the server answers "250", so an accepted mail survives a crash. File names sort by
time of arrival, and any mail program opens the files. The newest `MAX_MAILS` are kept. Mails are never
relayed to another server.
"""

import argparse
import asyncio
import os
import uuid
from datetime import UTC, datetime
from pathlib import Path

from aiosmtpd.smtp import SMTP, Envelope, Session

from shopnow.errors import UserError
from shopnow.local_stack.test_server_cli import announce, run

MAX_MAILS = 5_000
"""Mails kept; the oldest beyond them are deleted."""


class _Mailbox:
    """Handler for aiosmtpd that stores each mail in a file."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        try:
            await asyncio.to_thread(store_mail, self.directory, envelope)
        except OSError as error:
            return f"452 4.3.1 Cannot store the mail: {error.strerror}"
        return "250 OK"


def store_mail(directory: Path, envelope: Envelope) -> Path:
    """Write a mail durably and atomically to a file whose name sorts by time of arrival."""
    now = datetime.now(UTC)
    path = directory / f"{now:%Y%m%dT%H%M%S.%f}-{uuid.uuid4().hex[:8]}.eml"
    temporary = path.with_suffix(".tmp")
    headers = f"X-Received-At: {now.isoformat()}\r\nX-RcptTo: {', '.join(envelope.rcpt_tos)}\r\n"
    content = envelope.content if isinstance(envelope.content, bytes) else (envelope.content or "").encode()
    try:
        with temporary.open("wb") as file:
            file.write(headers.encode() + content)
            file.flush()
            os.fsync(file.fileno())
        temporary.rename(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    directory_fd = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(directory_fd)
    finally:
        os.close(directory_fd)
    for surplus in sorted(directory.glob("*.eml"))[:-MAX_MAILS]:
        surplus.unlink(missing_ok=True)  # another mail that arrives now does the same
    return path


async def serve(host: str, port: int, directory: Path) -> None:
    """Serve until cancelled.

    Raises:
        UserError: the port is in use.
    """
    mailbox = _Mailbox(directory)
    loop = asyncio.get_running_loop()
    try:
        server = await loop.create_server(
            lambda: SMTP(mailbox, hostname="localhost", ident="ShopNow+ mail sink"), host, port
        )
    except OSError as error:
        raise UserError(
            f"mail server: cannot listen on {host}:{port} ({os.strerror(error.errno or 0)}); "
            "choose another port"
        ) from None
    announce(host, server.sockets[0].getsockname()[1])
    await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        prog="python -m shopnow.local_stack.mail_server",
        description="Accept every mail and store it as a file.",
    )
    run(parser, lambda host, port, directory: asyncio.run(serve(host, port, directory)))
