"""Checks of a running stack; each logs its findings and returns whether it passed."""

import json
import re
import urllib.error
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.parse import quote

from compose_stack import PROJECT, ROOT, Stack, log, output_of, wait_for
from leaks import find_leaks, needles
from steps import PIPELINE_DAGS

PROBED_ROLES = {
    "slack": "stranger",
    "airflow-triggerer": "triggers",
    "airflow-api-server": "tab",
    "airflow-worker": "worker",
}
"""By service, the role of `access_probe.py` that has its secrets; that of the service monitor is added."""
MOUNTS = {"/tmp", "/run/shopnow", "/var/lib/shopnow"}  # noqa: S108
"""Mount points that are writable also in containers with a read-only root."""
WRITABLE = re.compile(r"/(tmp|var/tmp|run/lock|run/shopnow|var/lib/shopnow)(/.*)?")
"""Paths that the user of the containers may write where the root is not read-only."""
DASHBOARD = ROOT / "monitoring" / "grafana" / "dashboards" / "pipeline.json"
_LIST_MESSAGES = """
import json
from pathlib import Path
from shopnow.cli.inbox import messages
received = messages(Path("/mail/smtp"), Path("/web/slack"), 10**6)
print(json.dumps([[message["channel"], message["dedup_key"]] for message in received]))
"""
_COUNT_MESSAGES = """
import sys
from pathlib import Path
mails = [file.read_text(errors="replace") for file in Path("/mail").rglob("*.eml")]
messages = [line for file in Path("/web").rglob("*.jsonl") for line in file.read_text().splitlines()]
print(sum(sys.argv[1] in message for message in mails + messages))
"""
_QUERY_PROMETHEUS = """
import json, sys, urllib.error, urllib.request

def get(path):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:9090/api/v1/{path}", timeout=30) as response:
            return json.load(response)
    except urllib.error.HTTPError as error:
        return json.load(error)

print(json.dumps([get(path) for path in sys.argv[1:]]))
"""


def check_exactly_once(stack: Stack) -> bool:
    """Check that `verify` passes and that every record in Kafka is landed."""
    topics = stack.cli("topics")["topics"]
    records = sum(topic["records"] for topic in topics)
    result = stack.cli("verify")
    for check in result["checks"]:
        log(f"{'passed' if check['ok'] else 'FAILED'}  {check['check']}: {check['detail']}")
    lag = sum(topic["lag"] for topic in topics)
    log(f"{records} records in {len(topics)} topics, {lag} of them not landed")
    return bool(result["ok"]) and records > 0 and not lag


def check_messages(stack: Stack) -> bool:
    """Check that every alert message arrived on both channels, once, or twice if its sender was killed.

    Requires at least one message.

    Raises:
        RuntimeError: the lake is unreachable.
        subprocess.CalledProcessError: the received messages cannot be read.
    """
    history = stack.cli("alerts", "--all", "--limit", "100000")["history"]
    sent = {change["dedup_key"] for change in history if change["dedup_key"]}
    received = _received_messages()
    passed = bool(sent)
    for channel in ("email", "slack"):
        counts = [received[channel, key] for key in sent]
        arrived = sum(count > 0 for count in counts)
        twice = sum(count == 2 for count in counts)
        more_often = sum(count > 2 for count in counts)
        summary = f"{arrived} of {len(sent)} alert messages arrived, {twice} twice, {more_often} more often"
        log(f"{channel}: {summary}")
        passed &= arrived == len(sent) and not more_often
    return passed


def _received_messages() -> Counter[tuple[str, str]]:
    """Count the received messages by channel and deduplication key."""
    return Counter(map(tuple, json.loads(_run_on_inbox(_LIST_MESSAGES))))


def check_access(stack: Stack) -> bool:
    """Check that unauthorized access fails: without secrets, beyond a service's rights, and as a viewer."""
    script = (Path(__file__).parent / "access_probe.py").read_text()
    passed = True
    monitor = "service-monitor" if stack.profile == "small" else "service-monitor-full"
    for service, role in {**PROBED_ROLES, monitor: "monitor"}.items():
        result = stack.run("exec", "-T", service, "python", "-", role, stdin=script)
        log(f"{role}, in {service}:\n{result.stdout}{result.stderr}".rstrip())
        passed &= result.returncode == 0
    try:
        stack.api("/dags/generate_traffic/dagRuns", {"logical_date": None, "conf": {}}, user="viewer")
        log("ALLOWED  a viewer triggers a DAG")
        return False
    except urllib.error.HTTPError as error:
        log(f"a viewer who triggers a DAG gets status {error.code}")
        return passed and error.code == 403


def check_file_systems(stack: Stack) -> bool:
    """Check that a service can change no program, and nothing at all where its root is read-only."""
    passed = True
    for service in stack.running_services():
        # Symbolic links have no permissions of their own.
        find = stack.run("exec", "-T", service, "find", "/", "-xdev", "-writable", "-not", "-type", "l")
        paths, is_read_only = find.stdout.splitlines(), stack.inspect(service)["HostConfig"]["ReadonlyRootfs"]
        if unexpected := [
            path for path in paths if path not in MOUNTS and (is_read_only or not WRITABLE.fullmatch(path))
        ]:
            log(f"WRITABLE  in {service}: {', '.join(unexpected[:10])}")
            passed = False
    log("searched the root file systems for files that their services can write")
    return passed


def check_service_monitor(stack: Stack, seconds: float) -> bool:
    """Check that the service monitor reports a stopped service and its recovery, once each, on both channels.

    Raises:
        TimeoutError: a notification did not arrive after that many seconds.
    """
    stack.compose("stop", "spark-master")
    problem, recovery = "Problem: spark-master ", "Resolved: spark-master "
    try:
        wait_for("the service monitor reports a stopped service", lambda: _count(problem) >= 2, seconds)
    finally:
        stack.compose("start", "spark-master")
    wait_for("the service monitor reports its recovery", lambda: _count(recovery) >= 2, seconds)
    counts = (_count(problem), _count(recovery))
    log(f"{counts[0]} notifications of the problem and {counts[1]} of its recovery, of 2 each")
    return counts == (2, 2)


def _count(text: str) -> int:
    """Count the received mails and Slack messages that contain a text."""
    return int(_run_on_inbox(_COUNT_MESSAGES, text))


def _run_on_inbox(script: str, *arguments: str) -> str:
    """Return the output of a Python script with the received mails in /mail and Slack messages in /web."""
    # In a container of its own, because the memory limits of the servers leave no room.
    volumes = ["-v", f"{PROJECT}_smtp:/mail:ro", "-v", f"{PROJECT}_slack:/web:ro"]
    container = ["docker", "run", "--rm", *volumes, "--entrypoint", "python", "shopnow:local"]
    return output_of(*container, "-c", script, *arguments)


def check_secrets(stack: Stack) -> bool:
    """Check that no secret is in the image, in a container's settings, on a command line or in a log."""
    leaks = find_leaks(PROJECT, needles(stack.secrets.read_text()))
    for place, names in leaks.items():
        if names:
            log(f"LEAKED  {', '.join(names)} in {place}")
    log(
        f"searched {len(leaks)} places for secrets: "
        "the image's layers, history and settings, the containers' settings, command lines and logs"
    )
    return not any(leaks.values())


def check_monitoring(stack: Stack, seconds: float) -> bool:
    """Check that Prometheus scrapes its targets and evaluates all expressions of rules and dashboard.

    Raises:
        TimeoutError: Prometheus has no metrics of the pipeline's DAGs after that many seconds.
        RuntimeError: Prometheus is unreachable.
    """
    expressions = [
        target["expr"] for panel in json.loads(DASHBOARD.read_text())["panels"] for target in panel["targets"]
    ]
    wait_for(
        "Prometheus has the durations of the DAG runs",
        lambda: _label_values(stack, "shopnow_dag_run_duration_seconds", "dag") >= set(PIPELINE_DAGS),
        seconds,
    )
    targets, groups, *results = _prometheus(stack, "targets?state=active", "rules", *map(_query, expressions))
    rules = [rule for group in groups["data"]["groups"] for rule in group["rules"]]
    exported = _label_values(stack, 'group by (__name__) ({__name__=~"shopnow_.+"})', "__name__")
    used = set(re.findall(r"shopnow_\w+", " ".join(expressions)))
    problems = [
        *(
            f"target {target['scrapeUrl']}: {target['lastError']}"
            for target in targets["data"]["activeTargets"]
            if target["health"] != "up"
        ),
        *(
            f"rule {rule['name']}: {rule.get('lastError', rule['health'])}"
            for rule in rules
            if rule["health"] != "ok"
        ),
        *(
            f"{expression}: {result['error']}"
            for expression, result in zip(expressions, results, strict=True)
            if result["status"] != "success"
        ),
        *(f"{service} is down" for service in _label_values(stack, "shopnow_up == 0", "service")),
        *(f"{name} has no value" for name in sorted(used - exported)),
    ]
    for problem in problems:
        log(f"FAILED  {problem}")
    log(f"Prometheus evaluated {len(rules)} rules and {len(expressions)} expressions of the dashboard")
    return bool(rules) and not problems


def _label_values(stack: Stack, expression: str, label: str) -> set[str]:
    """Return the values of a label in the result of an expression."""
    [result] = _prometheus(stack, _query(expression))
    return {series["metric"][label] for series in result["data"]["result"]}


def _query(expression: str) -> str:
    return f"query?query={quote(expression)}"


def _prometheus(stack: Stack, *paths: str) -> list[dict[str, Any]]:
    """Call Prometheus' HTTP API from within its container, which publishes no port."""
    result = stack.run("exec", "-T", "prometheus", "python", "-c", _QUERY_PROMETHEUS, *paths)
    if result.returncode:
        raise RuntimeError(f"Prometheus: {result.stderr.strip()}")
    return json.loads(result.stdout)
