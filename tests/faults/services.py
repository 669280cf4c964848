"""Kafka, HDFS and Sail of the fault suite, which its tests kill, freeze and restart."""

import os
import subprocess
import uuid
from pathlib import Path

import psutil

from shopnow.local_stack import service_signals, stack, supervision
from shopnow.local_stack.services import SERVICES, STORAGE_SERVICES, is_ready
from shopnow.settings import Settings

DISK_MB = 4096
"""Size of the in-memory disks of the broker and each DataNode; they take the memory of their files only."""

NAMES = (*STORAGE_SERVICES, "sail")

_DEATH_SECONDS = 30
_RESTART_SECONDS = 120


class Services:
    """The running services; supervisord restarts those that end, as under `./shopnow up`."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.conf = {"bootstrap.servers": settings.bootstrap_servers}
        folders = {"kafka": "kafka/data", "datanode": "hdfs/blocks", "datanode-2": "hdfs-2/blocks"}
        self.disks = {name: Disk(settings.data_dir / folder) for name, folder in folders.items()}

    def up(self) -> None:
        for disk in self.disks.values():
            disk.mount(DISK_MB)
        self._start(*NAMES)

    def down(self) -> None:
        stack.down(self.settings)
        for disk in self.disks.values():
            disk.unmount()

    def new_lake(self) -> str:
        """Return the URI of an empty lake."""
        return f"{self.settings.lake_uri}/{uuid.uuid4()}"

    @property
    def engine_url(self) -> str:
        """Address of Sail."""
        return f"sc://127.0.0.1:{self.settings.ports['sail']}"

    def pid(self, name: str) -> int:
        return service_signals.pid(self.settings, name)

    def kill(self, name: str) -> None:
        self.await_death(name, service_signals.kill(self.settings, name))

    def freeze(self, name: str) -> None:
        service_signals.freeze(self.settings, name)

    def thaw(self, name: str) -> None:
        service_signals.thaw(self.settings, name)

    def is_frozen(self, name: str) -> bool:
        return service_signals.is_frozen(self.settings, name)

    def await_death(self, name: str, pid: int, seconds: float = _DEATH_SECONDS) -> None:
        """Wait until this process of the service has ended."""
        assert supervision.wait_until(lambda: not psutil.pid_exists(pid), seconds, interval=0.02), (
            f"{name} is still running"
        )

    def await_ready(self) -> None:
        """Wait until all services answer and HDFS has left safe mode."""
        for name in NAMES:
            assert supervision.wait_until(
                lambda name=name: is_ready(SERVICES[name], self.settings), _RESTART_SECONDS
            ), f"{name} does not answer"

    def _start(self, *names: str) -> None:
        stack.up(self.settings, lambda subject, what: None, names)


class Disk:
    """An in-memory file system at a folder, whose size can be changed; needs the permission to mount."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.mount_error = "not mounted"
        """Why it could not be mounted; empty if it is mounted."""

    def mount(self, megabytes: int) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        process = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", self.folder],
            capture_output=True,
            text=True,
            check=False,
        )
        self.mount_error = process.stderr.strip() if process.returncode else ""

    def unmount(self) -> None:
        if not self.mount_error:
            # Lazily, because a process that is about to end may still have files open there.
            subprocess.run(["umount", "--lazy", self.folder], check=True)

    def fill(self) -> None:
        """Shrink the disk to its used size, so that no more byte can be written."""
        usage = os.statvfs(self.folder)
        # A size of 0 would mean no limit.
        self._resize(f"{max(usage.f_blocks - usage.f_bfree, 1) * usage.f_frsize}")

    def free(self, megabytes: int = DISK_MB) -> None:
        self._resize(f"{megabytes}m")

    def _resize(self, size: str) -> None:
        # The current options are ignored: in a user namespace they contain ids that are unknown there.
        subprocess.run(
            ["mount", "--options-mode", "ignore", "-o", f"remount,size={size}", "tmpfs", self.folder],
            check=True,
        )
