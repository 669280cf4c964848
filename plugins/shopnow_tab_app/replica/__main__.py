"""The process of the replica: serves it until the standard input is closed."""

import logging
import os
import pickle
import shutil
import sys
import tempfile
import threading

from shopnow_tab_app.replica.protocol import READY, ReplicaManager, ReplicaProxy, ServerConfig
from shopnow_tab_app.replica.server import ReplicaServer


def main() -> None:
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    config: ServerConfig = pickle.load(sys.stdin.buffer)  # noqa: S301  (written by the parent process)
    tempfile.tempdir = config.folder
    replica_server = ReplicaServer(config.folder, config.address, config.copies, config.derived, config.conf)
    ReplicaManager.register("replica", lambda: replica_server, ReplicaProxy)
    server = ReplicaManager(config.socket("self"), config.key).get_server()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    os.write(sys.stdout.fileno(), READY)
    sys.stdin.buffer.read()
    for _ in range(2):  # DuckDB may write a file during the first attempt.
        shutil.rmtree(config.folder, ignore_errors=True)
    os._exit(0)


if __name__ == "__main__":
    main()
