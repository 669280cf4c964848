"""Land a topic once and print what it took as JSON: the step of `landing_side_by_side.py`.

It imports whichever `shopnow` is on PYTHONPATH, so it uses only what all versions have.
"""

import json
import sys
import time

from shopnow import events
from shopnow.lake.ingest.landing import land


def main(bootstrap_servers: str, lake: str, topic: str, warm_up: str, kafka_topic: str) -> None:
    """Land `kafka_topic` into a lake as records of `topic`, after a small topic that loads all modules."""
    conf = {"bootstrap.servers": bootstrap_servers}
    land(conf, f"{lake}/warm-up", events.TOPICS[topic], kafka_topic=warm_up)
    start, cpu = time.perf_counter(), time.process_time()
    result = land(conf, f"{lake}/measured", events.TOPICS[topic], kafka_topic=kafka_topic)
    measured = {
        "rows": result.rows,
        "quarantined": result.quarantined,
        "seconds": time.perf_counter() - start,
        "cpu_seconds": time.process_time() - cpu,
    }
    print(json.dumps(measured))


if __name__ == "__main__":
    main(*sys.argv[1:])
