"""Spark application: one run of compute_kpis on made-up events, for the classes it loads.

    spark-submit train_class_archive.py FOLDER

The folder is for its lake and may be thrown away afterwards.
"""

import sys
from datetime import UTC, datetime

import compute_kpis
from shopnow.traffic.simulation import simulate
from shopnow.traffic.state import Run, State
from shopnow_spark import sample

if __name__ == "__main__":
    lake = f"file://{sys.argv[1]}/lake"
    now = int(datetime.now(UTC).timestamp() * 1000)
    for number in (1, 2):  # the second run merges into tables that have rows
        run = Run(f"training {number}", sessions=50, seed=number, payment_failure_rate=0.1, start=now - 3_600_000, end=now)
        sample.land(lake, [event for chunk in simulate(State(), run, 50) for event in chunk.events])
        if compute_kpis.main(["--lake", lake]):
            sys.exit(1)
