"""The lock under which the transports import Airflow.

Airflow is imported when a message is sent, not before, because it takes seconds. Its modules import one
another, so two channels' threads that import it at the same time could deadlock.
"""

import threading

IMPORT_LOCK = threading.Lock()
