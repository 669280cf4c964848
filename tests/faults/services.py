"""A Kafka and an HDFS of the fault suite's own: here to be killed, frozen and started again."""

import os
import signal
import subprocess
import uuid
from pathlib import Path

import psutil

from shopnow.local_stack import stack, supervision
from shopnow.local_stack.services import STORAGE_SERVICES
from shopnow.settings import Settings

DISK_MB = 4096
"""Size of the disks under the broker and each DataNode; of memory they take only what is on them."""

_SECONDS = 30


class Services:
    """The running services; each stays down until it is restarted, as under `./shopnow up`."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.conf = {"bootstrap.servers": settings.bootstrap_servers}
        folders = {"kafka": "kafka/data", "datanode": "hdfs/blocks", "datanode-2": "hdfs-2/blocks"}
        self.disks = {name: Disk(settings.data_dir / folder) for name, folder in folders.items()}

    def up(self) -> None:
        for disk in self.disks.values():
            disk.mount(DISK_MB)
        self._start(*STORAGE_SERVICES)

    def down(self) -> None:
        stack.down(self.settings)
        for disk in self.disks.values():
            disk.unmount()

    def new_lake(self) -> str:
        """The address of an empty lake."""
        return f"{self.settings.lake_uri}/{uuid.uuid4()}"

    def pid(self, name: str) -> int:
        pid = next(
            process.pid for process in supervision.list_processes(self.settings) if process.name == name
        )
        assert pid, f"{name} does not run"
        return pid

    def kill(self, name: str) -> None:
        os.kill(self.pid(name), signal.SIGKILL)
        self.await_death(name)

    def freeze(self, name: str) -> None:
        """Stops the process where it is: it keeps its connections and answers nothing."""
        os.kill(self.pid(name), signal.SIGSTOP)

    def thaw(self, name: str) -> None:
        os.kill(self.pid(name), signal.SIGCONT)

    def frozen(self, name: str) -> bool:
        return psutil.Process(self.pid(name)).status() == psutil.STATUS_STOPPED

    def died(self, name: str) -> bool:
        return any(
            process.died for process in supervision.list_processes(self.settings) if process.name == name
        )

    def await_death(self, name: str, seconds: float = _SECONDS) -> None:
        assert supervision.wait_until(lambda: self.died(name), seconds, interval=0.02), f"{name} still runs"

    def restart(self, name: str) -> None:
        """Starts a service that died, and waits until it answers."""
        self._start(name)

    def _start(self, *names: str) -> None:
        stack.up(self.settings, lambda subject, what: None, names)


class Disk:
    """A disk of its own under a folder, in memory, whose size can be changed; needs the right to mount."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.refused = "not mounted"
        """Why it could not be mounted, empty if it was."""

    def mount(self, megabytes: int) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", self.folder],
            capture_output=True,
            text=True,
            check=False,
        )
        self.refused = done.stderr.strip() if done.returncode else ""

    def unmount(self) -> None:
        if not self.refused:
            # Lazily: whoever still has a file open there is about to end.
            subprocess.run(["umount", "--lazy", self.folder], check=True)

    def fill(self) -> None:
        """From now on not another byte can be written."""
        room = os.statvfs(self.folder)
        # Not 0, which is no limit.
        self._resize(f"{max(room.f_blocks - room.f_bfree, 1) * room.f_frsize}")

    def free(self, megabytes: int = DISK_MB) -> None:
        self._resize(f"{megabytes}m")

    def _resize(self, size: str) -> None:
        # Without the options it has: in a user namespace of its own, mount reads ids among them that are unknown there.
        subprocess.run(
            ["mount", "--options-mode", "ignore", "-o", f"remount,size={size}", "tmpfs", self.folder],
            check=True,
        )
