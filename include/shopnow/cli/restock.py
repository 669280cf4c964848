"""`restock`: delivery notes, into the inbox."""

from pathlib import Path
from typing import Annotated

import typer
from hdfs import InsecureClient
from hdfs.util import HdfsError
from requests.exceptions import RequestException

from shopnow import connections
from shopnow.cli.output import Json, print_json, print_table, say
from shopnow.errors import UserError
from shopnow.restock import delivery_note, inbox
from shopnow.restock.delivery_note import InvalidNote
from shopnow.restock.inbox import Inbox
from shopnow.settings import Settings


def restock(
    files: Annotated[
        list[Path], typer.Argument(help="Delivery notes, CSV files as docs/restock.md describes them.")
    ],
    as_json: Json = False,
) -> None:
    """Check suppliers' delivery notes and drop them in the inbox on HDFS, where receive_restock finds them within half a minute.

    The goods are put on the shelves of the simulated shop; ./shopnow show stock
    shows them. A note is counted once, however often it is dropped.
    """
    contents = {file: _read(file) for file in files}
    in_force = connections.load(Settings.load())
    webhdfs, lake = in_force["webhdfs_default"], connections.lake_uri(in_force)
    address = f"http://{webhdfs['host']}:{webhdfs['port']}"
    folder = Inbox(InsecureClient(address, user=webhdfs.get("login")), inbox.path(lake))
    dropped = []
    for file, data in contents.items():
        try:
            dropped.append({"file": str(file), "path": folder.drop(file.name, data)})
        except HdfsError as error:
            raise UserError(
                f"HDFS at {address} does not take {file}: {str(error).splitlines()[0]}; does one of its name wait there?"
            ) from None
        except RequestException:
            raise UserError(f"HDFS at {address} does not answer: run ./shopnow up") from None
    if as_json:
        print_json({"dropped": dropped})
    else:
        print_table("Dropped", ("file", "path on HDFS"), [list(each.values()) for each in dropped])
        say("receive_restock files each under done or rejected; ./shopnow show stock shows the goods")


def _read(file: Path) -> bytes:
    if not inbox.is_note(file.name):
        raise UserError(
            f"{file}: a delivery note is a file whose name ends in .csv and begins with neither . nor _"
        )
    try:
        data = file.read_bytes()
        delivery_note.parse(data)
    except OSError as error:
        raise UserError(f"cannot read {file}: {error.strerror}; give delivery notes") from None
    except InvalidNote as error:
        raise UserError(
            f"{file} is no delivery note: {'; '.join(str(error).splitlines())}; nothing was dropped"
        ) from None
    return data
