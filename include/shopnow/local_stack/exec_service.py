"""Replace this process by a service, whose command and environment are in a JSON file.

    python -m shopnow.local_stack.exec_service FILE

Only its owner can read the file: secrets stay out of supervisord's configuration and off command lines.
Processes that an earlier process of the service left behind end first: the workers of a killed scheduler
would hold its database connections, and with them the locks of its last transaction. A module of its own with
few imports, because every service starts through it.
"""

import json
import os
import sys
from pathlib import Path

from shopnow.local_stack import marked_processes

if __name__ == "__main__":
    specification = json.loads(Path(sys.argv[1]).read_text())
    command, variables = specification["command"], specification["environment"]
    mark = variables[marked_processes.SERVICE_VARIABLE]
    marked_processes.end(marked_processes.find(marked_processes.SERVICE_VARIABLE, mark))
    os.execve(command[0], command, {**os.environ, **variables})
