"""The tiers of the tests, by what they start: from nothing to services that they kill."""

from typing import NamedTuple


class Tier(NamedTuple):
    """Tests that run together, with a budget of time that their additions must keep."""

    name: str
    folders: tuple[str, ...]
    budget_seconds: int
    """Time on two cores with installed packages; a longer run is reported, not failed."""
    processes: int = 1
    """Number of pytest processes, each with a Kafka and a Spark session of its own."""


_ALL = (
    Tier("unit", ("tests/unit",), 90, processes=2),
    Tier("services", ("tests/services",), 300, processes=3),
    Tier("stack", ("tests/browser", "tests/stack"), 420),
    Tier("chaos", ("tests/faults",), 300),
)
TIERS = {tier.name: tier for tier in _ALL}
"""The tiers by name, in the order in which they run."""
AT_ONCE = (("unit",), ("services",), ("stack", "chaos"))
"""Names of the tiers that run at the same time: on two cores, only chaos waits long enough for another."""
