"""`restock`: put delivery notes into the restock inbox."""

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
from shopnow.text_format import one_line


def restock(
    files: Annotated[
        list[Path], typer.Argument(help="Delivery notes: CSV files in the format of docs/restock.md.")
    ],
    as_json: Json = False,
) -> None:
    """Check suppliers' delivery notes and put them into the inbox on HDFS.

    receive_restock picks them up within a few seconds and adds the goods to the
    simulated shop's stock; ./shopnow show stock shows them. A note counts once,
    however often it is dropped.
    """
    contents = {file: _read(file) for file in files}
    active = connections.load(Settings.load())
    webhdfs, lake = active["webhdfs_default"], connections.lake_uri(active)
    address = f"http://{webhdfs['host']}:{webhdfs['port']}"
    # Airflow's WebHDFSHook gives the same client, but importing Airflow takes seconds.
    folder = Inbox(InsecureClient(address, user=webhdfs.get("login")), inbox.inbox_path(lake))
    dropped = []
    for file, data in contents.items():
        try:
            dropped.append({"file": str(file), "path": folder.drop(file.name, data)})
        except HdfsError as error:
            raise UserError(
                f"HDFS at {address} refused {file}: {one_line(str(error))}; "
                "check that no note of the same name is waiting in the inbox"
            ) from None
        except RequestException:
            raise UserError(f"HDFS at {address} does not answer: run ./shopnow up") from None
    if as_json:
        print_json({"dropped": dropped})
    else:
        print_table("Dropped", ("file", "path on HDFS"), [list(note.values()) for note in dropped])
        say("receive_restock moves each note to done or rejected; ./shopnow show stock shows the goods")


def _read(file: Path) -> bytes:
    if not inbox.is_delivery_note(file.name):
        raise UserError(
            f"{file}: the name of a delivery note must end in .csv and must not begin with . or _"
        )
    try:
        if file.exists() and not file.is_file():
            raise UserError(f"cannot read {file}: not a regular file; pass the paths of delivery notes")
        with file.open("rb") as stream:
            data = stream.read(delivery_note.MAX_BYTES + 1)
        delivery_note.parse(data)
    except OSError as error:
        raise UserError(f"cannot read {file}: {error.strerror}; pass the paths of delivery notes") from None
    except InvalidNote as error:
        problems = str(error).replace("\n", "; ")
        raise UserError(f"{file} is not a valid delivery note: {problems}; nothing was dropped") from None
    return data
