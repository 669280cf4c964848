"""Delivery errors: each says whether a message may have been accepted and whether a retry can help.

Their texts never contain an address or a token.
"""


class Unavailable(Exception):
    """The message was not accepted, and a later retry may succeed.

    Args:
        reason: what failed, in words.
        retry_after: seconds to wait before the next attempt, as requested by the server.
    """

    def __init__(self, reason: str, retry_after: float = 0) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


class Refused(Exception):
    """The message was not accepted, and will not be until a person fixes it or the connection."""


class Unconfirmed(Exception):
    """The message was sent completely but no answer came: it may have been accepted."""
