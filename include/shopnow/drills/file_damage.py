"""Damage files of a lake on HDFS as disks and people do."""

from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from hdfs_native import Client, WriteOptions


class Files:
    """The files below a lake's address, as bytes."""

    def __init__(self, lake: str) -> None:
        address = urlsplit(lake)
        self.client, self.root = Client(f"hdfs://{address.netloc}"), address.path

    def read(self, path: str) -> bytes:
        with self.client.read(f"{self.root}/{path}") as file:
            return file.read()

    def write(self, path: str, data: bytes) -> None:
        options = WriteOptions(create_parent=True, overwrite=True)
        with self.client.create(f"{self.root}/{path}", options) as file:
            file.write(data)

    def remove(self, path: str) -> None:
        self.client.delete(f"{self.root}/{path}")

    def names(self, folder: str) -> list[str]:
        """Return the sorted paths of the files below a folder."""
        return sorted(
            entry.path.removeprefix(f"{self.root}/")
            for entry in self.client.list_status(f"{self.root}/{folder}", recursive=True)
            if not entry.isdir
        )


def flip(files: Files, path: str) -> None:
    """Flip one bit in the middle of a file."""
    data = bytearray(files.read(path))
    data[len(data) // 2] ^= 1
    files.write(path, bytes(data))


def truncate(files: Files, path: str) -> None:
    """Keep the first two thirds of a file."""
    data = files.read(path)
    files.write(path, data[: len(data) * 2 // 3])


def remove(files: Files, path: str) -> None:
    files.remove(path)


DAMAGES: Mapping[str, Callable[[Files, str], None]] = {"flip": flip, "truncate": truncate, "remove": remove}
