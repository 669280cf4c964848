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


AT_ONCE = (
    (Tier("unit", ("tests/unit",), 90, processes=2),),
    (Tier("services", ("tests/services",), 300, processes=3),),
    (
        Tier("stack", ("tests/browser", "tests/stack"), 420),
        Tier("chaos", ("tests/faults",), 300),
    ),
)
"""The tiers in their order; those of a group run at the same time, as chaos leaves two cores mostly idle."""
TIERS = {tier.name: tier for group in AT_ONCE for tier in group}
"""The tiers by name."""
