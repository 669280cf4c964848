"""`topics` and `verify`: the lag of each topic, and the proof that the lake is complete and exact."""

import sys
from typing import Any

from shopnow.audit.audit_log import Check
from shopnow.audit.verify import verify as run_checks
from shopnow.broker import held_back
from shopnow.cli.endpoints import endpoints
from shopnow.cli.output import Json, complain, print_json, print_table, reporter, say
from shopnow.lake.delta import errors
from shopnow.lake.delta.tables import Table
from shopnow.lake.ingest import data_loss, lag, receipts


def topics(as_json: Json = False) -> None:
    """List the topics: partitions, records in Kafka, and what the lake does not have of them.

    The lag is the number of records that can be landed. Records after those,
    behind a transaction that a producer has left open, are held back. Possibly
    lost is an upper bound on the records that Kafka removed before they landed:
    by retention, as acknowledged, or by compaction.
    """
    conf, lake = endpoints()
    rows: list[dict[str, Any]] = []
    with errors.as_user_errors(lake):
        positions = lag.positions(conf, lake)
        for name in dict.fromkeys(position.topic for position in positions):
            partitions = [position for position in positions if position.topic == name]
            offsets = sum(position.stable - position.earliest for position in partitions)
            landings = receipts.read(Table(lake, f"raw/{name}")).to_pylist()
            rows.append(
                {
                    "topic": name,
                    "partitions": len(partitions),
                    "records": offsets - lag.count_gaps(landings, partitions),
                    "lag": sum(position.lag for position in partitions),
                    "held_back": sum(position.held_back for position in partitions),
                    "possibly_lost": data_loss.upper_bound(landings, data_loss.read(lake, [name])),
                }
            )
    held = held_back.read(conf, [row["topic"] for row in rows if row["held_back"]])
    if as_json:
        print_json({"topics": rows})
    else:
        columns = ("topic", "partitions", "records", "lag", "held back", "possibly lost")
        print_table("Topics", columns, [list(row.values()) for row in rows])
        for topic in held:
            say(str(topic))


def verify(as_json: Json = False) -> None:
    """Prove that ledger = topics = raw = events = KPIs; name the first difference and exit 1 otherwise."""
    conf, lake = endpoints()
    checks = run_checks(conf, lake, reporter())
    if as_json:
        print_json({"ok": all(check.ok for check in checks), "checks": [check._asdict() for check in checks]})
    else:
        print_checks(checks)
    broken = [check for check in checks if not check.ok]
    if broken:
        complain(f"{broken[0].check}: {broken[0].detail}")
        sys.exit(1)


def print_checks(checks: list[Check]) -> None:
    print_table(
        "Proof",
        ("check", "", "detail"),
        [(check.check, "holds" if check.ok else "BROKEN", check.detail) for check in checks],
    )
