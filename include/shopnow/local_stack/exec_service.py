"""Becomes the service whose command and environment a file holds: `python -m shopnow.local_stack.exec_service FILE`.

The file, readable by its owner only, keeps secrets out of the process manager's configuration and off command lines.
"""

import json
import os
import sys
from pathlib import Path

if __name__ == "__main__":
    specification = json.loads(Path(sys.argv[1]).read_text())
    command = specification["command"]
    os.execve(command[0], command, {**os.environ, **specification["environment"]})
