"""Requests of the storm for the tab's API: what no page sends, and what scanners of other software send."""

import json
from collections.abc import Iterator, Mapping
from random import Random
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

from factories.hostile_records import HOSTILE_TEXTS

HEADERS = {"X-ShopNow": "1", "Content-Type": "application/json"}


class HostileRequest(NamedTuple):
    """A request as it goes over the wire."""

    method: str
    target: str
    """Path and query, quoted."""
    body: bytes | None = None
    headers: Mapping[str, str] = {}


_NUMBERS = (
    "0",
    "-1",
    "1",
    "1.5",
    "1e400",
    "NaN",
    "9" * 400,
    str(2**31),
    str(2**63),
    str(-(2**63) - 1),
    "٣",
    "0x1",
)
_DATES = (
    *("0001-01-01", "9999-12-31", "1970-01-01", "2026-02-30", "2026-11-25", "0000-00-00", "-1", "now"),
    "2026-11-25T00:00:00Z",
)
_TEXTS = (
    *(
        "",
        " ",
        "%",
        "_",
        "\0",
        "a\0b",
        "\r\nX: y",
        "x" * 101,
        "x" * 6_000,
        "' OR 1=1 --",
        "$search",
        "{}",
        "[]",
    ),
    *("EUR", "eur", "FR", "paid", "card", "None", "true", "event_time", "event_time; --"),
    *HOSTILE_TEXTS,
)
_LOWS = ("%ED%A0%80", "%FF", "%C0%AE", "%", "%zz", "%00", "%0d%0aSet-Cookie:x=y")
"""Quoted bytes that are no text."""
_PATHS = (
    *("..%2f..%2fetc/passwd", "../../../../etc/passwd", "%2e%2e/%2e%2e", "assets/..%2fapp.py", "assets/%00"),
    *(
        "assets/../app.py",
        "api/tables/..%2forders.csv",
        "api/tables/%00.csv",
        "api/pages/%ff.pdf",
        "wp-login.php",
    ),
    *(
        "api/pages/orders.pdf.pdf",
        "api/charts/dashboard/__class__",
        "api/charts/__init__/x",
        ".git/config",
        "//",
    ),
    *(
        "api//orders",
        "api/orders/",
        "api/openapi.json/",
        "api/" + "a" * 4000,
        "api/%F0%9F%98%80",
        "?",
        "api/?x",
    ),
)
_METHODS = ("GET", "HEAD", "OPTIONS", "PUT", "DELETE", "PATCH", "TRACE", "PROPFIND", "BREW", "POST")
_BODY_VALUES: tuple[Any, ...] = (
    *(None, True, 0, -1, 1.5, 10**400, "", "\0", "\ud800", "x" * 100_000, [], {}, [["x"]], {"a": {"b": []}}),
    *("2030-01-01T00:00:00Z", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-12:00"),
    *HOSTILE_TEXTS,
)
_BODIES = (
    *(
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff\xfe",
        b"\0",
        b"[" * 100_000,
        b'{"a":' * 50_000,
        b'{"request_id": NaN}',
    ),
    *(b'{"request_id": "x", "request_id": 7}', b"<xml/>", b"a=b", b"x" * 2_000_000),
)
_HEADER_SETS: tuple[Mapping[str, str], ...] = (
    {},
    {},
    {"If-None-Match": '"' + "x" * 5000 + '"'},
    {"Accept": "\x7f", "Accept-Language": "x" * 5000},
    {"Origin": "http://[::1", "Host": "evil.example"},
    {"Origin": "null", "Sec-Fetch-Site": "cross-site"},
    {"Content-Type": "multipart/form-data; boundary=x"},
    {"Content-Type": "application/json; charset=utf-7"},
    {"Content-Encoding": "gzip"},
    {"Range": "bytes=0-18446744073709551615"},
    {"X-Forwarded-For": "'; --", "X-Forwarded-Prefix": "//evil.example", "Forwarded": "for=\x80"},
    {"Cookie": "_token=x; session=" + "a" * 3000},
)


def generate(rng: Random, openapi: Mapping[str, Any], count: int) -> list[HostileRequest]:
    """Generate requests.

    Args:
        openapi: description of the API, from which the routes and their parameters are taken.
    """
    reads = [
        (path, operations["get"]) for path, operations in openapi["paths"].items() if "get" in operations
    ]
    bodies = _schemas_of_bodies(openapi)

    def request(number: int) -> HostileRequest:
        kind = number % 10
        if kind < 6:
            made = _read(rng, *reads[number % len(reads)])
        elif kind < 8:
            made = _write(rng, *rng.choice(bodies))
        elif kind < 9:
            made = HostileRequest("GET", f"/{rng.choice(_PATHS)}")
        else:
            path, _ = rng.choice(reads)
            made = HostileRequest(rng.choice(_METHODS), path.format(shown="orders", name="orders"))
        return made._replace(headers={**made.headers, **rng.choice(_HEADER_SETS)})

    generated = [request(number) for number in range(count)]
    rng.shuffle(generated)
    return generated


def _read(rng: Random, path: str, operation: Mapping[str, Any]) -> HostileRequest:
    """A request of a route with some of its parameters, and at times with one that it does not have."""
    query, target = [], path
    for parameter in operation.get("parameters", []):
        name = parameter["name"]
        if parameter["in"] == "path":
            target = target.replace(f"{{{name}}}", _segment(rng, parameter["schema"]))
        elif parameter["in"] == "query" and rng.random() < 0.4:
            query += [(name, _value(rng, parameter["schema"])) for _ in range(rng.choice((1, 1, 1, 2)))]
    text = urlencode(query, errors="surrogatepass")
    if rng.random() < 0.1:
        text += f"&{rng.choice(('search', 'sort', 'surplus', 'from'))}={rng.choice(_LOWS)}"
    return HostileRequest("GET", f"{target}?{text}")


def _segment(rng: Random, schema: Mapping[str, Any]) -> str:
    """A segment of a path: mostly one that exists, so that the parameters behind it are read."""
    names = schema.get("enum", ("orders", "payments", "deliveries", "dashboard", "stock", "quarantine"))
    return rng.choice((*names, *names, quote(rng.choice(HOSTILE_TEXTS), safe="")))


def _value(rng: Random, schema: Mapping[str, Any]) -> str:
    """A value for a parameter: of its type, but at the limits; or any other."""
    options = [schema, *schema.get("anyOf", [])]
    kinds = {option.get("format") or option.get("type") for option in options}
    allowed = tuple(value for option in options for value in option.get("enum", ()))
    fitting = (
        allowed or (kinds & {"date"} and _DATES) or (kinds & {"integer", "number"} and _NUMBERS) or _TEXTS
    )
    return str(rng.choice(rng.choice((fitting, fitting, fitting, _NUMBERS, _DATES, _TEXTS))))


def _schemas_of_bodies(openapi: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """Return path and JSON Schema of the properties of each route that takes a body."""
    found = []
    for path, operations in openapi["paths"].items():
        if "post" in operations:
            schema = operations["post"]["requestBody"]["content"]["application/json"]["schema"]
            name = schema["$ref"].rpartition("/")[2]
            found.append((path, openapi["components"]["schemas"][name]["properties"]))
    return found


def _write(rng: Random, path: str, properties: Mapping[str, Any]) -> HostileRequest:
    """A request that writes, with a body that must be refused: its request id is none."""
    if rng.random() < 0.2:
        return HostileRequest("POST", path, rng.choice(_BODIES), HEADERS)
    body = {name: rng.choice(_BODY_VALUES) for name in _some(rng, properties)}
    return HostileRequest("POST", path, json.dumps(body).encode(), HEADERS)


def _some(rng: Random, names: Mapping[str, Any]) -> Iterator[str]:
    return (name for name in names if rng.random() < 0.8)
