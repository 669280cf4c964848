"""The cause of a failed download, from the texts of the programs that download."""

import pytest

from shopnow import network_errors


@pytest.mark.parametrize(
    ("text", "step"),
    [
        (
            "<urlopen error [SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: self-signed",
            "SSL_CERT_FILE",
        ),
        ("error sending request: invalid peer certificate: UnknownIssuer", "SSL_CERT_FILE"),
        ("Tunnel connection failed: 407 Proxy Authentication Required", "USER:PASSWORD"),
        ("cause: tunnel error: proxy authorization required", "USER:PASSWORD"),
        ("Tunnel connection failed: 403 Forbidden", "proxy lets this host through"),
        (
            "ProxyError('Cannot connect to proxy.', NewConnectionError('[Errno 111] Connection refused'))",
            "proxy",
        ),
        ("<urlopen error [Errno -2] Name or service not known>", "name is not known"),
        ("dns error: failed to lookup address information", "name is not known"),
        ("HTTP status client error (403 Forbidden) for url", "refuses access"),
        ("HTTP Error 404: Not Found", "does not have it"),
        ("[Errno 28] No space left on device", "free some space"),
        ("[Errno 111] Connection refused", "nothing answers"),
        ("The read operation timed out", "no answer in time"),
        ("something else", network_errors.UNKNOWN),
    ],
)
def test_the_cause_has_the_next_step_in_one_line(text, step):
    cause = network_errors.explain(text)
    assert step in cause
    assert "\n" not in cause


@pytest.mark.parametrize("secret", ["anna:secret", "secret", "anna:se%40cret"])
def test_users_and_passwords_of_addresses_are_not_shown(secret):
    text = f"GET https://{secret}@index.example/simple/a@1/ via http://{secret}@proxy:3128"
    assert (
        network_errors.redact(text) == "GET https://***@index.example/simple/a@1/ via http://***@proxy:3128"
    )
