"""Mutations that disable one protection each, to prove that a test detects it.

They patch the current process and are never switches in the product. Each mutation imports only the modules
that it patches, so that a process loads nothing else. Its docstring says what happens without the protection.
"""

from collections.abc import Callable
from types import FunctionType

from protections.mutations import alerts, inputs, kafka, kpis, landing, records, services, tables

MUTATIONS: dict[str, Callable[[], None]] = {
    name: function
    for module in (alerts, inputs, kafka, kpis, landing, records, services, tables)
    for name, function in vars(module).items()
    if isinstance(function, FunctionType)
    and function.__module__ == module.__name__
    and not name.startswith("_")
}
"""Every public function of the modules, by its name."""
