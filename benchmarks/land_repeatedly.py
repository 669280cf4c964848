"""Land a topic into each lake named on standard input: the process of `landing_side_by_side.py`.

For each line it prints one line of JSON with what the landing took. It imports whichever `shopnow` is on
PYTHONPATH, so it uses only what all versions have.
"""

import json
import sys
import time

from shopnow import events
from shopnow.lake.ingest.landing import land


def main(bootstrap_servers: str, topic: str, kafka_topic: str) -> None:
    """Land `kafka_topic` as records of `topic`."""
    for line in sys.stdin:
        start, cpu = time.perf_counter(), time.process_time()
        result = land(
            {"bootstrap.servers": bootstrap_servers},
            line.strip(),
            events.TOPICS[topic],
            kafka_topic=kafka_topic,
        )
        measured = {
            "rows": result.rows,
            "quarantined": result.quarantined,
            "seconds": time.perf_counter() - start,
            "cpu_seconds": time.process_time() - cpu,
        }
        print(json.dumps(measured), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
