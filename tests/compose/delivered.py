"""Whether what alerts had to tell came to the mail and webhook servers: every message, once, or twice where a sender was killed."""

import json
import subprocess
from collections import Counter

from stack import PROJECT, Stack, say

# Beside the servers and not in them, which have no memory to spare.
_READ = """
import json
from pathlib import Path
from shopnow.cli.inbox import messages
print(json.dumps([[each["channel"], each["dedup_key"]] for each in messages(Path("/mail/smtp"), Path("/web/slack"), 10**6)]))
"""


def delivered(stack: Stack) -> bool:
    """Whether every message that alerts were told by came on both channels, at most twice; one at least has to be there.

    Raises:
        RuntimeError: the lake does not answer.
        subprocess.CalledProcessError: what came cannot be read.
    """
    told = {
        change["dedup_key"]
        for change in stack.cli("alerts", "--all", "--limit", "100000")["history"]
        if change["dedup_key"]
    }
    came = _came()
    well = bool(told)
    for channel in ("email", "slack"):
        times = {key: came[channel, key] for key in told}
        twice, often = (
            sum(number == 2 for number in times.values()),
            sum(number > 2 for number in times.values()),
        )
        missing = [key for key, number in times.items() if not number]
        say(
            f"{channel}: {len(told) - len(missing)} of {len(told)} messages about alerts came, {twice} twice, {often} more often"
        )
        well &= not missing and not often
    return well


def _came() -> Counter[tuple[str, str]]:
    """How often each message came, by channel and key."""
    volumes = ["-v", f"{PROJECT}_smtp:/mail:ro", "-v", f"{PROJECT}_slack:/web:ro"]
    command = ["docker", "run", "--rm", *volumes, "--entrypoint", "python", "shopnow:local", "-c", _READ]
    return Counter(
        map(tuple, json.loads(subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE).stdout))
    )
