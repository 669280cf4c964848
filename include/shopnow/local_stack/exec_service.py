"""Replace this process by a service, whose command and environment are in a JSON file.

    python -m shopnow.local_stack.exec_service FILE

The file is readable by its owner only: secrets stay out of supervisord's configuration and off command lines.
A module of its own, on the standard library alone, because every service starts through it.
"""

import json
import os
import sys
from pathlib import Path

if __name__ == "__main__":
    specification = json.loads(Path(sys.argv[1]).read_text())
    command = specification["command"]
    os.execve(command[0], command, {**os.environ, **specification["environment"]})
