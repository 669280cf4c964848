"""Customers by number; a number always gives the same person.

Faker is too slow to generate a person per session, so it fills a pool of names and a pool of addresses per
locale, and the customer number selects one of each: hundreds of thousands of different people at the cost of
one second.
"""

from functools import cache
from typing import NamedTuple

import xxhash
from faker import Faker

from shopnow.traffic.json_templates import escape

# Not it_IT: its addresses differ between processes, and the simulation has to be deterministic.
COUNTRIES = {"fr_FR": b"FR", "en_GB": b"GB", "de_DE": b"DE", "es_ES": b"ES", "nl_NL": b"NL"}

_LOCALE_DECILES = ("fr_FR",) * 4 + ("en_GB",) * 2 + ("de_DE",) * 2 + ("es_ES", "nl_NL")
_POOL_SIZE = 200


class Shopper(NamedTuple):
    """A customer; name and address are JSON-escaped."""

    customer_id: bytes
    name: bytes
    country: bytes
    """ISO 3166 alpha-2 code."""
    address: bytes
    """A single line."""


def customer_id(number: int) -> bytes:
    """Return the customer id of a customer number."""
    return b"c-%08d" % number


def shopper(number: int) -> Shopper:
    """Return the customer with that number, which is not negative."""
    # Hashed, so that consecutive numbers give unrelated people.
    choice = xxhash.xxh3_64_intdigest(number.to_bytes(8, "big"))
    choice, decile = divmod(choice, 10)
    locale = _LOCALE_DECILES[decile]
    names, addresses = _pool(locale)
    choice, name = divmod(choice, _POOL_SIZE)
    return Shopper(customer_id(number), names[name], COUNTRIES[locale], addresses[choice % _POOL_SIZE])


@cache
def _pool(locale: str) -> tuple[list[bytes], list[bytes]]:
    fake = Faker(locale)
    fake.seed_instance(locale)
    names = [f"{fake.first_name()} {fake.last_name()}" for _ in range(_POOL_SIZE)]
    addresses = [
        f"{fake.street_address()}, {fake.postcode()} {fake.city()}".replace("\n", ", ")
        for _ in range(_POOL_SIZE)
    ]
    return [escape(name) for name in names], [escape(address) for address in addresses]
