"""What the stack's Prometheus has to tell, asked from within its container: that it measures, and answers what it will be asked."""

import json
import re
from typing import Any
from urllib.parse import quote

from stack import CHAIN, ROOT, Stack, say, wait

DASHBOARD = ROOT / "monitoring" / "grafana" / "dashboards" / "pipeline.json"
ASK = """
import json, sys, urllib.error, urllib.request

def ask(path):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:9090/api/v1/{path}", timeout=30) as response:
            return json.load(response)
    except urllib.error.HTTPError as error:
        return json.load(error)

print(json.dumps([ask(path) for path in sys.argv[1:]]))
"""


def monitored(stack: Stack, seconds: float) -> bool:
    """Whether Prometheus reaches what it measures, and has a good answer to each expression of its rules and of Grafana's dashboard.

    Raises:
        TimeoutError: it does not learn of the runs of the chain's DAGs.
        RuntimeError: it does not answer.
    """
    expressions = [
        target["expr"] for panel in json.loads(DASHBOARD.read_text())["panels"] for target in panel["targets"]
    ]
    wait(
        "Prometheus knows how long the DAGs ran",
        lambda: _labels(stack, "shopnow_dag_run_duration_seconds", "dag") >= set(CHAIN),
        seconds,
    )
    targets, rules, *answers = _ask(stack, "targets?state=active", "rules", *map(_query, expressions))
    wrong = [
        f"target {each['scrapeUrl']}: {each['lastError']}"
        for each in targets["data"]["activeTargets"]
        if each["health"] != "up"
    ]
    judged = [rule for group in rules["data"]["groups"] for rule in group["rules"]]
    wrong += [
        f"rule {rule['name']}: {rule.get('lastError', rule['health'])}"
        for rule in judged
        if rule["health"] != "ok"
    ]
    wrong += [
        f"{asked}: {answer['error']}"
        for asked, answer in zip(expressions, answers, strict=True)
        if answer["status"] != "success"
    ]
    wrong += [f"{service} does not answer" for service in _labels(stack, "shopnow_up == 0", "service")]
    unknown = set(re.findall(r"shopnow_\w+", " ".join(expressions))) - _labels(
        stack, 'group by (__name__) ({__name__=~"shopnow_.+"})', "__name__"
    )
    wrong += [f"{name} has no value" for name in sorted(unknown)]
    for each in wrong:
        say(f"WRONG  {each}")
    say(f"{len(judged)} rules and {len(expressions)} expressions of the dashboard asked of Prometheus")
    return bool(judged) and not wrong


def _labels(stack: Stack, expression: str, label: str) -> set[str]:
    """The values of a label in the answer to an expression."""
    [answer] = _ask(stack, _query(expression))
    return {series["metric"][label] for series in answer["data"]["result"]}


def _query(expression: str) -> str:
    return f"query?query={quote(expression)}"


def _ask(stack: Stack, *paths: str) -> list[dict[str, Any]]:
    """Prometheus's answers."""
    done = stack.run("exec", "-T", "prometheus", "python", "-c", ASK, *paths)
    if done.returncode:
        raise RuntimeError(f"Prometheus: {done.stderr.strip()}")
    return json.loads(done.stdout)
