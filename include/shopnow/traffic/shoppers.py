"""Who shops: customers by number, each the same person for ever.

Faker is too slow to invent a person a session, so it fills a pool of names and one of addresses for each locale, and a
customer's number picks one of each: hundreds of thousands of different people from a second's work.
"""

from functools import cache
from typing import NamedTuple

import xxhash
from faker import Faker

from shopnow.traffic.json_templates import escape

# Not it_IT: its addresses come in another order in every process, and events have to be the same in all of them.
COUNTRIES = {"fr_FR": b"FR", "en_GB": b"GB", "de_DE": b"DE", "es_ES": b"ES", "nl_NL": b"NL"}

_LOCALE_OF_TEN = ("fr_FR",) * 4 + ("en_GB",) * 2 + ("de_DE",) * 2 + ("es_ES", "nl_NL")
_POOL_SIZE = 200


class Shopper(NamedTuple):
    """Name and address as they stand in JSON."""

    customer_id: bytes
    name: bytes
    country: bytes
    """Two letters, ISO 3166."""
    address: bytes
    """On one line."""


def customer_id(number: int) -> bytes:
    return b"c-%08d" % number


def shopper(number: int) -> Shopper:
    """The customer of that number, 0 or more."""
    # A hash and not the number itself, so that neighbours do not resemble each other.
    choice = xxhash.xxh3_64_intdigest(number.to_bytes(8, "big"))
    choice, tenth = divmod(choice, 10)
    locale = _LOCALE_OF_TEN[tenth]
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
