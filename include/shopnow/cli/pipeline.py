"""`topics` and `verify`: where the data stands, and the proof that it is all there."""

import sys

from shopnow.audit.audit_log import Check
from shopnow.audit.verify import verify as run_checks
from shopnow.cli.endpoints import addresses
from shopnow.cli.output import Json, complain, print_json, print_table, reporter
from shopnow.lake.delta import errors
from shopnow.lake.ingest import lag


def topics(as_json: Json = False) -> None:
    """List the topics: partitions, records in Kafka, and how many of them the lake does not have yet."""
    conf, lake = addresses()
    rows = []
    with errors.as_user_errors(lake):
        positions = lag.positions(conf, lake)
        for name in dict.fromkeys(each.topic for each in positions):
            mine = [each for each in positions if each.topic == name]
            offsets = sum(each.stable - each.earliest for each in mine)
            records = offsets - lag.markers(lake, mine)
            rows.append(
                {
                    "topic": name,
                    "partitions": len(mine),
                    "records": records,
                    "lag": sum(each.lag for each in mine),
                }
            )
    if as_json:
        print_json({"topics": rows})
    else:
        print_table("Topics", ("topic", "partitions", "records", "lag"), [list(row.values()) for row in rows])


def verify(as_json: Json = False) -> None:
    """Prove that ledger = topics = raw = events = KPIs; exits 1 and names the first difference if they are not."""
    conf, lake = addresses()
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
