"""Writes the docs that follow from the code: `python docs/generate.py`. A test fails when they are out of date."""

import json
import os
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pyarrow as pa

from shopnow.events import TOPIC_OF, TOPICS
from shopnow.kpis import KPIS, Kpi
from shopnow.kpis.definition import Source

ROOT = Path(__file__).resolve().parents[1]

_EVENTS = """# Events

Made from `include/shopnow/events.py` by `docs/generate.py`; also as JSON Schemas in [schemas](schemas), and with the topics as an
AsyncAPI 3 document, [asyncapi.json](asyncapi.json).

A record is one JSON object, with the key its topic says, in UTF-8, of at most 1 MiB. Money is integer cents with a `currency` beside it,
times are RFC 3339 with a zone, given in UTC with milliseconds. Types are strict: `12.0` is no integer, `"12"` neither. Fields that are
not listed are kept in raw and otherwise passed over. Of events with the same `event_id` the lake keeps one.

To send some: `./shopnow send FILE`, or the DAG `send_events`; there `event_id`, `event_time` and `schema_version` may be left out.
What is sent to `stock` is recorded, but puts nothing on the simulated shop's shelves; [delivery notes](restock.md) do.
"""

_KPI_HEAD = """# KPIs

Made from `include/shopnow/kpis/` by `docs/generate.py`: the one definition of each figure, from which the columns' comments in the tables
and the explanations in reports come as well. [How to read them](reading.md) with DuckDB, Polars, pandas and Spark.

Days and hours are UTC, and an event belongs to those of its own `event_time`, however late it comes: then the days it concerns are computed
anew, and only those. Money is integer cents in the row's `currency`; amounts of different currencies are never added. A figure that
does not apply is null, not 0. *can be added*: over rows of a date and currency. A table that is *restated* keeps, in the table
`restatements`, what published figures were before they changed, and why; published is what was computed after the day's end.
"""


def dags() -> str:
    """`DAGs.md`: every DAG with its runbook, as the Airflow UI shows it."""
    from airflow.dag_processing.dagbag import DagBag

    found = DagBag(dag_folder=str(ROOT / "dags")).dags
    parts = ["# DAGs\n\nMade from the DAG files by `docs/generate.py`; edit them, not this.\n"]
    parts += [_table("DAG", "what", "tags", "tasks") + "".join(_row(found[name]) for name in sorted(found))]
    parts += [f"## `{name}`\n\n{(found[name].doc_md or '').strip()}\n" for name in sorted(found)]
    return "\n".join(parts)


def events() -> str:
    """`events.md`: every topic and event type with its fields and an example."""
    from shopnow import examples
    from shopnow.schemas import json_schemas

    definitions = json_schemas()
    parts = [_EVENTS]
    for topic in TOPICS.values():
        parts.append(f"## Topic `{topic.name}`, keyed by `{topic.key}`\n")
        for type_ in topic.types:
            tag = type_.__struct_config__.tag
            definition = definitions[type_.__name__]
            parts.append(f"### `{tag}`\n")
            parts += [f"{definition['description']}\n"] if "description" in definition else []
            parts.append(
                f"{_fields(definition)}\nas JSON Schema: [schemas/{tag}.json](schemas/{tag}.json); for example:\n"
            )
            parts.append(f"```json\n{json.dumps(examples.as_json(type_), ensure_ascii=False)}\n```\n")
            parts += [
                f"`items` are of\n\n{_fields(definitions['OrderItem'])}"
                for name in definition["properties"]
                if name == "items"
            ]
    return "\n".join(parts)


def schema(type_: type) -> str:
    """`schemas/{event_type}.json`: the JSON Schema of an event type."""
    from shopnow.schemas import json_schema

    return _json(json_schema(type_))


def asyncapi() -> str:
    """`asyncapi.json`: topics, events and who sends and receives them, as an AsyncAPI document."""
    from shopnow.asyncapi import document

    return _json(document())


def kpis() -> str:
    """`kpis.md`: every KPI table with the definition of each figure."""
    parts = [
        _KPI_HEAD,
        _table("table", "what", "a row is")
        + "".join(f"| {_link(kpi)} | {kpi.title} | {kpi.grain} |\n" for kpi in KPIS),
    ]
    return "\n".join([*parts, *map(_kpi, KPIS)])


def scenarios() -> str:
    """`scenarios.md`: every scenario with what it changes, and what each number means."""
    import msgspec

    from shopnow.traffic.scenarios import NORMAL, Conditions, load

    normal = msgspec.to_builtins(load()[NORMAL].conditions)
    parts = [
        "# Scenarios\n\nMade from `include/shopnow/traffic/scenarios.toml` by `docs/generate.py`. A scenario is a param of "
        "`generate_traffic`; add your own to that file, and it is in the form.\n"
    ]
    for scenario in load().values():
        parts.append(f"## `{scenario.name}`: {scenario.title}\n\n{scenario.description}\n")
        usual = msgspec.to_builtins(scenario.conditions)
        if scenario.name != NORMAL:
            parts += _changes("Throughout", usual, normal)
        for incident in scenario.incidents:
            when = f"For {incident.lasts_hours:g} hours, from {incident.begins:.0%} of the period on"
            when += "" if incident.hour is None else f", at {incident.hour}:00 UTC if it can be"
            parts += _changes(when, msgspec.to_builtins(incident.conditions), usual)
    _, definitions = msgspec.json.schema_components([Conditions])
    rows = "".join(
        f"| `{name}` | {field['description']} | {_value(normal[name])} |\n"
        for name, field in definitions["Conditions"]["properties"].items()
    )
    parts.append(f"## What the numbers mean\n\n{_table('number', 'meaning', 'normal day')}{rows}")
    return "\n".join(parts)


def alert_rules() -> str:
    """`alert-rules.md`: every alert rule, what the fields of one mean, and what rules can look at."""
    import msgspec

    from shopnow.alerts.metrics import FIGURES
    from shopnow.alerts.rules import Rule, load

    rules = load()
    parts = [
        "# Alert rules\n\nMade from `include/shopnow/alerts/rules.toml` and `figures.py` by `docs/generate.py`; how alerts work is in "
        "[alerts.md](alerts.md).\n"
    ]
    rows = "".join(
        f"| [`{name}`](#{name}) | {'≤' if rule.fires == 'at_most' else '≥'} {rule.threshold:g}: {FIGURES[rule.looks_at].definition} "
        f"| {rule.severity} | {rule.owner} |\n"
        for name, rule in rules.items()
    )
    parts.append(_table("rule", "fires when", "severity", "owner") + rows)
    for name, rule in rules.items():
        inhibitors = ", ".join(f"`{other}`" for other in rule.inhibited_by) or "nothing"
        over = f"{'above' if rule.fires == 'at_most' else 'below'} {rule.over_beyond:g}"
        parts.append(
            f"## {name}\n\n**{rule.title}**: one alert a {rule.about}. {rule.todo}\n\nOver once {over}, told as “{rule.resolved_title}”; "
            f"told again after {rule.repeat_after}; by {' and '.join(rule.channels)}; inhibited by {inhibitors}"
            + (f"; looked at only if it is of at least {rule.of_at_least}.\n" if rule.of_at_least else ".\n")
        )
    _, definitions = msgspec.json.schema_components([Rule])
    fields = "".join(
        f"| `{field}` | {'' if field in definitions['Rule']['required'] else 'optional: '}{kind['description']} |\n"
        for field, kind in definitions["Rule"]["properties"].items()
    )
    parts.append(f"# Fields of a rule\n\n{_table('field', 'meaning')}{fields}")
    figures = "".join(
        f"| `{name}` | {figure.definition} | {figure.about} | `{figure.source}` | {'yes' if figure.time else 'no'} |\n"
        for name, figure in FIGURES.items()
    )
    parts.append(
        f"# What rules can look at\n\n{_table('figure', 'definition', 'of each', 'from', 'can be tried on the past')}{figures}"
    )
    return "\n".join(parts)


PAGES: dict[str, Callable[[], str]] = {
    "DAGs.md": dags,
    "events.md": events,
    "kpis.md": kpis,
    "scenarios.md": scenarios,
    "alert-rules.md": alert_rules,
    "asyncapi.json": asyncapi,
    **{f"schemas/{type_.__struct_config__.tag}.json": partial(schema, type_) for type_ in TOPIC_OF},
}


def _kpi(kpi: Kpi) -> str:
    dated = "`date`" if kpi.partition_by else "nothing"
    facts = [
        f"A row is {kpi.grain}. Partitioned by {dated}{', the first day of a month' if kpi.monthly else ''}.",
        f"Made from {'; '.join(map(_source, kpi.sources))}.",
        "Restated." if kpi.restated else "",
    ]
    rows = "".join(
        f"| `{field.name}` | {field.type} | {_meta(field, 'unit')} | {_ROLES[_meta(field, 'role')]} | {_meta(field, 'comment')} |\n"
        for field in kpi.schema
    )
    table = _table("column", "type", "unit", "", "definition")
    return f"## `{kpi.name}`: {kpi.title}\n\n{' '.join(filter(None, facts))}\n\n{table}{rows}"


def _source(source: Source) -> str:
    """A source in words; `date` is that of the row."""
    if source.date is None:
        return f"`{source.table}`"
    if source.lasting:
        return f"`{source.table}` of the date and all before it"
    window = (
        [f"the {source.back} days before" if source.back > 1 else "the day before"] if source.back else []
    )
    window += (
        [f"the {source.forward} days after" if source.forward > 1 else "the day after"]
        if source.forward
        else []
    )
    return f"`{source.table}` of the date{''.join(f', {each}' for each in window)}"


_ROLES = {"key": "key", "sum": "can be added", "figure": "", "proof": "proof"}


def _meta(field: pa.Field, name: str) -> str:
    return field.metadata[name.encode()].decode().replace("|", "\\|")


def _link(kpi: Kpi) -> str:
    """To the table's heading, as GitHub names it."""
    kept = (
        character
        for character in f"{kpi.name}: {kpi.title}".lower()
        if character.isalnum() or character in "_- "
    )
    return f"[`{kpi.name}`](#{''.join(kept).replace(' ', '-')})"


def _table(*columns: str) -> str:
    return f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}\n"


def _changes(when: str, conditions: dict, others: dict) -> list[str]:
    changed = "".join(
        f"| `{name}` | {_value(others[name])} | {_value(value)} |\n"
        for name, value in conditions.items()
        if value != others[name]
    )
    return [f"{when}:\n\n{_table('number', 'instead of', 'is')}{changed}"] if changed else []


def _value(value: object) -> str:
    if isinstance(value, dict):
        return "<br>".join(
            f"{name}: {', '.join(f'{key} {each:g}' for key, each in method.items())}"
            for name, method in value.items()
        )
    return ", ".join(f"{each:g}" for each in value) if isinstance(value, list | tuple) else str(value)


def _row(dag) -> str:
    tasks = ", ".join(f"`{task}`" for task in dag.task_ids)
    return (
        f"| [`{dag.dag_id}`](#{dag.dag_id}) | {dag.description} | {', '.join(sorted(dag.tags))} | {tasks} |\n"
    )


def _fields(definition: dict) -> str:
    return _table("field", "type", "") + "".join(
        _field(name, kind) for name, kind in definition["properties"].items() if name != "event_type"
    )


def _json(value: dict) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def _field(name: str, kind: dict) -> str:
    if "anyOf" in kind:  # an optional field
        kind = {**kind, **kind["anyOf"][0], "type": f"{kind['anyOf'][0]['type']}, optional"}
    limits = {
        key: value
        for key, value in kind.items()
        if key not in {"description", "type", "items", "$ref", "enum", "anyOf", "default"}
    }
    type_ = kind.get("type") or " \\| ".join(f'"{value}"' for value in kind.get("enum", ())) or "object"
    if "items" in kind:
        type_ = f"array of {kind['items']['$ref'].rsplit('/', 1)[-1]}"
    notes = [kind.get("description", ""), *(f"{key} {value}" for key, value in limits.items())]
    return f"| `{name}` | {type_} | {', '.join(filter(None, notes))} |\n"


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as home:
        os.environ |= {
            "AIRFLOW_HOME": home,
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__SHOPNOW__TRAFFIC": "True",
            "AIRFLOW__SHOPNOW__QUARANTINE_LIMIT": "0.25",
            "AIRFLOW__SHOPNOW__LANDING_SHARES": "1",
        }
        for name, page in PAGES.items():
            (ROOT / "docs" / name).write_text(page())
