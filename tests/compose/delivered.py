"""Whether what alerts had to tell came to the mail and webhook servers: every message, once, or twice where a sender was killed."""

import json
from collections import Counter

from stack import Stack, say


def delivered(stack: Stack) -> bool:
    """Whether every message that alerts were told by came on both channels, at most twice; one at least has to be there.

    Raises:
        RuntimeError: somebody does not answer.
    """
    told = {change["dedup_key"] for change in stack.cli("alerts", "--all", "--limit", "100000")["history"] if change["dedup_key"]}
    came = {channel: _inbox(stack, service) for channel, service in (("mail", "smtp"), ("Slack", "slack"))}
    well = bool(told)
    for channel, keys in came.items():
        missing, often = told - keys.keys(), [key for key, times in keys.items() if times > 2]
        twice = sum(times == 2 for times in keys.values())
        say(f"{channel}: {len(told) - len(missing)} of {len(told)} messages about alerts came, {twice} twice, {len(often)} more often")
        well &= not missing and not often
    return well


def _inbox(stack: Stack, service: str) -> Counter[str]:
    """How often each message came to the server in that container, by its key."""
    done = stack.run("exec", "-T", service, "python", "-m", "shopnow.cli", "inbox", "--json", "--limit", "100000")
    if done.returncode:
        raise RuntimeError(f"the inbox of {service}: {done.stderr.strip()}")
    return Counter(message["dedup_key"] for message in json.loads(done.stdout)["messages"] if message["dedup_key"])
