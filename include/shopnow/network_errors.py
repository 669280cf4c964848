"""What went wrong in a download, and what to do, from the texts of Python, pip, uv and npm.

Standard library only, as `./shopnow` uses it before it installs anything.
"""

import re

_CAUSES = (
    (
        r"certificate.verify.failed|invalid peer certificate|unknownissuer|self.signed certificate"
        r"|unable_to_verify",
        "the server's certificate is signed by an unknown authority: set SSL_CERT_FILE to a PEM file with "
        "your company's authority",
    ),
    (
        r"proxy auth\w+ required|\b407\b",
        "the proxy asks for a user and a password: set HTTPS_PROXY=http://USER:PASSWORD@HOST:PORT",
    ),
    (
        r"tunnel connection failed|unsuccessful tunnel|tunnel error|proxyerror|proxy connect"
        r"|(cannot|unable to) connect to proxy",
        "the proxy refuses the connection: check HTTPS_PROXY, and that the proxy lets this host through",
    ),
    (
        r"name or service not known|name resolution|nodename nor servname|dns error|lookup address"
        r"|getaddrinfo|enotfound|eai_again|no address associated",
        "the host's name is not known: check the network, or set HTTPS_PROXY if this machine needs a proxy",
    ),
    (
        r"\b(401|403)\b|unauthorized|forbidden",
        "the server refuses access: check the address of the index or mirror, and its user and password",
    ),
    (r"\b404\b|not found", "the server does not have it: check the address of the index or mirror"),
    (r"no space left|disk quota", "the disk is full: free some space"),
    (
        r"do not match the hashes|hash mismatch",
        "the server has another file under that name: check the index or mirror",
    ),
    (
        r"connection refused|econnrefused|network is unreachable|no route to host",
        "nothing answers there: check the network, HTTPS_PROXY, and the address of the index or mirror",
    ),
    (r"timed out|timeout", "no answer in time: check the network, or set HTTPS_PROXY if it needs a proxy"),
)

UNKNOWN = "check the network and the free disk space"


def explain(text: str) -> str:
    """Return the cause of a failed download and the next step, in one line; `UNKNOWN` without one."""
    return next(
        (cause for pattern, cause in _CAUSES if re.search(pattern, text, re.IGNORECASE)),
        UNKNOWN,
    )


def redact(text: str) -> str:
    """Remove the users and passwords of addresses."""
    return re.sub(r"(?<=://)[^/\s@]*@", "***@", text)
