"""A thread that does what Airflow's DAGs do on a running stack, for tests without Airflow."""

import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from confluent_kafka import KafkaException

from shopnow.broker.client import Conf
from shopnow.errors import UserError
from shopnow.lake.ingest import small_landing
from shopnow.traffic import dag_params
from shopnow.traffic.generate import generate

RETRY_SECONDS = 1.0
"""Pause before a step is repeated, like the retry delay of a task."""


class Dags:
    """Lands and computes as `land_events` and `compute_kpis` do, until it is stopped."""

    def __init__(self, conf: Conf, lake: str, refresh: Callable[[str], object]) -> None:
        self.conf, self.lake, self._refresh = conf, lake, refresh
        self._lock, self._stop = threading.Lock(), threading.Event()
        self._is_to_compute = False

    def run_once(self) -> None:
        with self._lock:
            self._is_to_compute |= bool(small_landing.land(self.conf, self.lake, {}).landed)
            if self._is_to_compute:
                self._refresh(self.lake)
                self._is_to_compute = False

    @contextmanager
    def running(self) -> Iterator[None]:
        thread = threading.Thread(target=self._run)
        thread.start()
        try:
            yield
        finally:
            self._stop.set()
            thread.join()

    @contextmanager
    def paused(self) -> Iterator[None]:
        with self._lock:
            yield

    def send_traffic(self, params: Mapping[str, Any]) -> None:
        """Run the generator as `generate_traffic` does, with retries."""
        run_id = str(uuid.uuid4())
        options = dag_params.parse(params, run_id)
        while True:
            try:
                generate(self.conf, run_id, **options)
                return
            except (UserError, KafkaException):
                if self._stop.is_set():
                    raise
                time.sleep(RETRY_SECONDS)

    def _run(self) -> None:
        while not self._stop.wait(0.2):
            try:
                self.run_once()
            except Exception:  # a broken service; the next run goes on, as a retry does
                self._stop.wait(RETRY_SECONDS)
