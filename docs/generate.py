"""Generate the reference docs from the code: `python docs/generate.py`.

`tests/unit/test_docs.py` fails when a generated page is out of date.
"""

import json
import os
import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args, get_origin

import pyarrow as pa

from shopnow.events import TOPIC_OF, TOPICS
from shopnow.kpis import KPIS, Kpi
from shopnow.kpis.definition import Source

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

ROOT = Path(__file__).resolve().parents[1]

_EVENTS = """# Events

Generated from `include/shopnow/events.py` by `docs/generate.py`. The same definitions are available as
JSON Schemas in [schemas](schemas) and, with the topics, as an AsyncAPI 3 document,
[asyncapi.json](asyncapi.json).

A record is one JSON object in UTF-8 of at most 1 MiB, keyed as its topic requires. Money is an integer number
of cents with a `currency`; times are RFC 3339 with a time zone, written in UTC with milliseconds. Types are
strict: `12.0` is not an integer, and neither is `"12"`. Unknown fields are kept in raw and ignored otherwise.
Events are deduplicated by `event_id` in the lake. [Records of other producers](producers.md) has the rules
beyond the types, the canonical values, the framings that are read, and what to do about quarantined records.

To send events: `./shopnow send FILE`, or the DAG `send_events`. Both fill in `event_id`, `event_time` and
`schema_version` if they are missing. Events sent to `stock` are recorded but do not change the simulated
shop's inventory; [delivery notes](restock.md) do.
"""

_MAX_CHOICES = 10

_KPI_HEAD = """# KPIs

Generated from `include/shopnow/kpis/` by `docs/generate.py`. Each KPI is defined there once; the column
comments of the tables and the explanations in reports come from the same definitions.
[Reading the tables](reading.md) shows how to query them with DuckDB, Polars, pandas and Spark.

Days and hours are UTC. An event belongs to the day and hour of its own `event_time`, however late it arrives;
the affected days, and only those, are then recomputed. Money is an integer number of cents in the row's
`currency`; amounts of different currencies are never added. A value that does not apply is null, not 0.
*additive*: can be summed over rows of a date and currency. For a *restated* table, the table `restatements`
keeps the values published before a change, and the reason; values computed after the end of the day count as
published.
"""

_SETTINGS = """# Settings

Generated from `include/shopnow/settings.py` and `include/shopnow/cluster/settings.py` by `docs/generate.py`.

Set them in the environment or in a file `.env` next to `./shopnow`; the environment wins. They take effect
after `./shopnow down` and `./shopnow up`. A value of the wrong type or beyond its limits is an error that
names the variable.

{settings}
- `SHOPNOW_DATA_DIR`: delete the folder to start over.
- `SHOPNOW_TRAFFIC=off` disables the scheduled traffic; runs by hand still work.
- `SHOPNOW_TOPIC_PARTITIONS` applies to topics that do not exist yet.
- `SHOPNOW_KAFKA_RETENTION_DAYS` also applies to existing topics, at `up`.
- `SHOPNOW_QUARANTINE_LIMIT` is the limit of the alert [`many_invalid_records`](alert-rules.md); all records
  land, whatever their share.
- `SHOPNOW_SERVICE_LEVEL` and `SHOPNOW_LEAD_TIME_DAYS` determine the safety stock and the reorder points in
  `kpi/stock_cover`. The local stack and the containers pass them to Spark as `spark.shopnow.serviceLevel` and
  `spark.shopnow.leadTimeDays`. If the local stack uses a Spark cluster of your own, set the same values in
  that cluster's configuration, too: `verify` reads the `SHOPNOW_…` settings.
- `SHOPNOW_OTEL_ENDPOINT` is the base URL of an OTLP/HTTP receiver, such as `http://127.0.0.1:4318`.
- `SHOPNOW_OPENLINEAGE` covers the lineage of DAGs, tasks and Spark jobs. The first `up` with it downloads
  54 MB.
- `SHOPNOW_MAVEN_MIRROR`: without it, the jars come from Maven Central. A user and a password may be in the
  address.
- `AIRFLOW__API__BASE_URL` is Airflow's own option `[api] base_url`, such as `https://shop.example/airflow`.
  Airflow then serves everything below that path, so a proxy in front of it must not remove it. Links in
  messages begin with this address.
- Folders, that of the project included, may have letters and digits of all scripts, blanks and `._-+@=~()` in
  their paths. Others are refused: HDFS splits lists at commas, for example.

## Ports

`SHOPNOW_PORT_OFFSET` moves every port that is not set itself. Two services with the same port are an error.

{ports}
## On the cluster

`docker-compose.yaml` passes the settings above to the containers from its environment or `.env`, with some
defaults of its own (12 partitions and 2 landing tasks per topic, for example). Not passed are
`SHOPNOW_DATA_DIR`, `SHOPNOW_PORT_OFFSET` and the ports, which are fixed in containers; `SHOPNOW_MAVEN_MIRROR`
is for building the image. The file also holds the memory limits of the containers (`SHOPNOW_…_LIMIT`).
[cluster.md](cluster.md) describes the secrets and how to create them. Containers also take these settings:

{cluster}
## Other variables

| variable | meaning |
|---|---|
| `AIRFLOW_CONN_…` | Airflow connections to your own services, as JSON: [connections.md](connections.md) |
| `JAVA_HOME` | Java 17 or 21 to use; otherwise `java` on the `PATH`, or one that `./shopnow` installs |
| `XDG_CACHE_HOME` | parent folder of the jar cache; `~/.cache` by default, else `.home` in the project |
| `HTTPS_PROXY`, `NO_PROXY` | proxy of downloads; `./shopnow` adds `127.0.0.1` and `localhost` to `NO_PROXY` |
| `SSL_CERT_FILE` | authorities to trust, PEM; or `REQUESTS_CA_BUNDLE`, `CURL_CA_BUNDLE`, `PIP_CERT` |
| `PIP_INDEX_URL`, `UV_DEFAULT_INDEX` | package index; one counts for both pip and uv |
"""


def dags() -> str:
    """Return `DAGs.md`: every DAG with its runbook, as the Airflow UI shows it."""
    from airflow.dag_processing.dagbag import DagBag

    dag_by_id = DagBag(dag_folder=str(ROOT / "dags")).dags
    parts = ["# DAGs\n\nGenerated from the docstrings of `dags/` by `docs/generate.py`.\n"]
    parts += [
        _table("DAG", "description", "tags", "tasks")
        + "".join(_row(dag_by_id[name]) for name in sorted(dag_by_id))
    ]
    parts += [f"## `{name}`\n\n{(dag_by_id[name].doc_md or '').strip()}\n" for name in sorted(dag_by_id)]
    return "\n".join(parts)


def events() -> str:
    """Return `events.md`: every topic and event type with its fields and an example."""
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
                f"{_fields(definition)}\nJSON Schema: [schemas/{tag}.json](schemas/{tag}.json). Example:\n"
            )
            parts.append(f"```json\n{json.dumps(examples.example_json(type_), ensure_ascii=False)}\n```\n")
            parts += [
                f"Each of `items`:\n\n{_fields(definitions['OrderItem'])}"
                for name in definition["properties"]
                if name == "items"
            ]
    return "\n".join(parts)


def schema(type_: type) -> str:
    """Return `schemas/{event_type}.json`: the JSON Schema of an event type."""
    from shopnow.schemas import json_schema

    return _json(json_schema(type_))


def asyncapi() -> str:
    """Return `asyncapi.json`: topics, events, producers and consumers as an AsyncAPI document."""
    from shopnow.asyncapi import document

    return _json(document())


def kpis() -> str:
    """Return `kpis.md`: every KPI table with the definition of each column."""
    parts = [
        _KPI_HEAD,
        _table("table", "content", "each row is")
        + "".join(f"| {_link(kpi)} | {kpi.title} | {kpi.grain} |\n" for kpi in KPIS),
    ]
    return "\n".join([*parts, *map(_kpi, KPIS)])


def scenarios() -> str:
    """Return `scenarios.md`: every scenario with its parameters, and the meaning of each parameter."""
    import msgspec

    from shopnow.traffic.scenarios import NORMAL, Conditions, load

    normal = msgspec.to_builtins(load()[NORMAL].conditions)
    parts = [
        "# Scenarios\n\nGenerated from `include/shopnow/traffic/scenarios.toml` by `docs/generate.py`. "
        "A scenario is a param of `generate_traffic`; one that you add to that file appears in the form.\n"
    ]
    for scenario in load().values():
        parts.append(f"## `{scenario.name}`: {scenario.title}\n\n{scenario.description}\n")
        usual = msgspec.to_builtins(scenario.conditions)
        if scenario.name != NORMAL:
            parts += _changes("The whole period", usual, normal)
        for incident in scenario.incidents:
            when = f"For {incident.lasts_hours:g} hours, starting {incident.begins:.0%} into the period"
            when += "" if incident.hour is None else f", at {incident.hour}:00 UTC if possible"
            parts += _changes(when, msgspec.to_builtins(incident.conditions), usual)
    _, definitions = msgspec.json.schema_components([Conditions])
    rows = "".join(
        f"| `{name}` | {field['description']} | {_value(normal[name])} |\n"
        for name, field in definitions["Conditions"]["properties"].items()
    )
    parts.append(f"## Parameters\n\n{_table('parameter', 'meaning', 'normal day')}{rows}")
    return "\n".join(parts)


def alert_rules() -> str:
    """Return `alert-rules.md`: every alert rule, the fields of a rule, and the metrics rules can use."""
    import msgspec

    from shopnow.alerts.metrics import METRICS
    from shopnow.alerts.rules import Rule, load

    rules = load()
    parts = [
        "# Alert rules\n\nGenerated from `include/shopnow/alerts/rules.toml` and `metrics.py` by "
        "`docs/generate.py`. [alerts.md](alerts.md) explains how alerts work.\n"
    ]
    parts.append(_table("rule", "fires when", "severity", "owner"))
    for name, rule in rules.items():
        comparison = "≤" if rule.fires == "at_most" else "≥"
        parts[-1] += (
            f"| [`{name}`](#{name}) | {comparison} {rule.threshold:g}: {METRICS[rule.metric].definition} "
            f"| {rule.severity} | {rule.owner} |\n"
        )
    for name, rule in rules.items():
        inhibitors = ", ".join(f"`{inhibitor}`" for inhibitor in rule.inhibited_by) or "nothing"
        side = "above" if rule.fires == "at_most" else "below"
        sample = f" Evaluated only from {rule.min_sample_size} cases on." if rule.min_sample_size else ""
        parts.append(
            f"## {name}\n\n**{rule.title}**: one alert per {rule.about}. {rule.todo}\n\n"
            f"Resolved once {side} {rule.resolve_threshold:g}, as “{rule.resolved_title}”. "
            f"Reminder after {rule.repeat_after}. Channels: {' and '.join(rule.channels)}. "
            f"Inhibited by {inhibitors}.{sample}\n"
        )
    _, definitions = msgspec.json.schema_components([Rule])
    required = definitions["Rule"]["required"]
    fields = "".join(
        f"| `{field}` | {'' if field in required else 'optional: '}{kind['description']} |\n"
        for field, kind in definitions["Rule"]["properties"].items()
    )
    parts.append(f"# Fields of a rule\n\n{_table('field', 'meaning')}{fields}")
    figures = "".join(
        f"| `{name}` | {figure.definition} | {figure.about} | `{figure.source}` "
        f"| {'yes' if figure.time else 'no'} |\n"
        for name, figure in METRICS.items()
    )
    columns = _table("metric", "definition", "one value per", "source", "can be backtested")
    parts.append(f"# Metrics\n\n{columns}{figures}")
    return "\n".join(parts)


def settings() -> str:
    """Return `settings.md`: every setting with its default, its limits and its meaning."""
    from shopnow.cluster.settings import ClusterSettings
    from shopnow.settings import Settings

    fields = Settings.model_fields
    ports = {name: field for name, field in fields.items() if name.endswith("_port")}
    others = {name: field for name, field in fields.items() if name not in ports}
    return _SETTINGS.format(
        settings=_settings(others), ports=_settings(ports), cluster=_settings(ClusterSettings.model_fields)
    )


PAGES: dict[str, Callable[[], str]] = {
    "DAGs.md": dags,
    "events.md": events,
    "kpis.md": kpis,
    "scenarios.md": scenarios,
    "alert-rules.md": alert_rules,
    "settings.md": settings,
    "asyncapi.json": asyncapi,
    **{f"schemas/{type_.__struct_config__.tag}.json": partial(schema, type_) for type_ in TOPIC_OF},
}


def _settings(fields: "Mapping[str, FieldInfo]") -> str:
    from shopnow.settings import variable_name

    rows = "".join(
        f"| `{variable_name(name)}` | {_default(field.default)} | {_limits(field)} "
        f"| {_sentence(name, field)} |\n"
        for name, field in fields.items()
    )
    return _table("setting", "default", "values", "meaning") + rows


def _sentence(name: str, field: "FieldInfo") -> str:
    """Return the field's description; without one, its name in words."""
    text = field.description or name.replace("_", " ")
    return f"{text[0].upper()}{text[1:]}".replace("|", "\\|")


def _default(value: object) -> str:
    if value is None:
        return "–"
    return f"`{value.relative_to(ROOT) if isinstance(value, Path) else value}`"


def _limits(field: "FieldInfo") -> str:
    """Return the values a setting takes: its choices, or its numeric limits."""
    annotation = field.annotation
    if get_origin(annotation) is Literal:
        return ", ".join(f"`{choice}`" for choice in get_args(annotation))
    limits = {
        symbol: getattr(constraint, name)
        for constraint in field.metadata
        for name, symbol in _CONSTRAINTS.items()
        if hasattr(constraint, name)
    }
    if limits.keys() == {"≥", "≤"}:
        return f"{limits['≥']} to {limits['≤']}"
    return ", ".join(f"{symbol} {limit}" for symbol, limit in limits.items())


_CONSTRAINTS = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}


def _kpi(kpi: Kpi) -> str:
    partitioning = "Partitioned by `date`" if kpi.partition_by else "Not partitioned"
    facts = [
        f"Each row is {kpi.grain}. {partitioning}{', the first day of the month' if kpi.is_monthly else ''}.",
        f"Computed from {'; '.join(map(_source, kpi.sources))}.",
        "Restated." if kpi.tracks_restatements else "",
    ]
    rows = "".join(
        f"| `{field.name}` | {field.type} | {_meta(field, 'unit')} "
        f"| {_ROLES[_meta(field, 'role')]} | {_meta(field, 'comment')} |\n"
        for field in kpi.schema
    )
    table = _table("column", "type", "unit", "", "definition")
    return f"## `{kpi.name}`: {kpi.title}\n\n{' '.join(filter(None, facts))}\n\n{table}{rows}"


def _source(source: Source) -> str:
    """Describe a source of a KPI table; `date` is that of the row."""
    if source.date is None:
        return f"`{source.table}`"
    if source.is_cumulative:
        return f"`{source.table}` of the date and all before it"
    window = (
        [f"the {source.back} days before" if source.back > 1 else "the day before"] if source.back else []
    )
    window += (
        [f"the {source.forward} days after" if source.forward > 1 else "the day after"]
        if source.forward
        else []
    )
    return f"`{source.table}` of the date{''.join(f', {days}' for days in window)}"


_ROLES = {"key": "key", "sum": "additive", "figure": "", "provenance": "provenance"}


def _meta(field: pa.Field, name: str) -> str:
    return field.metadata[name.encode()].decode().replace("|", "\\|")


def _link(kpi: Kpi) -> str:
    """Link to the table's heading by the anchor that GitHub generates."""
    anchor = (
        character
        for character in f"{kpi.name}: {kpi.title}".lower()
        if character.isalnum() or character in "_- "
    )
    return f"[`{kpi.name}`](#{''.join(anchor).replace(' ', '-')})"


def _table(*columns: str) -> str:
    return f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}\n"


def _changes(when: str, conditions: dict, baseline: dict) -> list[str]:
    changed = "".join(
        f"| `{name}` | {_value(baseline[name])} | {_value(value)} |\n"
        for name, value in conditions.items()
        if value != baseline[name]
    )
    return [f"{when}:\n\n{_table('parameter', 'normally', 'here')}{changed}"] if changed else []


def _value(value: object) -> str:
    if isinstance(value, dict):
        return "<br>".join(
            f"{name}: {', '.join(f'{key} {share:g}' for key, share in method.items())}"
            for name, method in value.items()
        )
    return ", ".join(f"{number:g}" for number in value) if isinstance(value, list | tuple) else str(value)


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
    if "anyOf" in kind:  # the field is optional
        kind = {**kind, **kind["anyOf"][0], "type": f"{kind['anyOf'][0]['type']}, optional"}
    limits = {
        key: value
        for key, value in kind.items()
        if key not in {"description", "type", "items", "$ref", "enum", "anyOf", "default"}
    }
    codes = kind.get("enum", ())
    # Lists of codes, such as all currencies, are in the JSON Schemas.
    choices = "string" if len(codes) > _MAX_CHOICES else " \\| ".join(f'"{value}"' for value in codes)
    type_ = kind.get("type") or choices or "object"
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
