"""`topics` and `verify`: the lag of each topic, and the proof that the lake is complete and exact."""

import sys

from shopnow.audit.audit_log import Check
from shopnow.audit.verify import verify as run_checks
from shopnow.cli.endpoints import endpoints
from shopnow.cli.output import Json, complain, print_json, print_table, reporter
from shopnow.lake.delta import errors
from shopnow.lake.ingest import lag


def topics(as_json: Json = False) -> None:
    """List the topics: partitions, records in Kafka, and lag, the records that are not in the lake yet."""
    conf, lake = endpoints()
    rows = []
    with errors.as_user_errors(lake):
        positions = lag.positions(conf, lake)
        for name in dict.fromkeys(position.topic for position in positions):
            partitions = [position for position in positions if position.topic == name]
            offsets = sum(position.stable - position.earliest for position in partitions)
            records = offsets - lag.count_markers(lake, partitions)
            rows.append(
                {
                    "topic": name,
                    "partitions": len(partitions),
                    "records": records,
                    "lag": sum(position.lag for position in partitions),
                }
            )
    if as_json:
        print_json({"topics": rows})
    else:
        print_table("Topics", ("topic", "partitions", "records", "lag"), [list(row.values()) for row in rows])


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
