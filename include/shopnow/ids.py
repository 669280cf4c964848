"""Event ids: UUIDs of version 7, which sort by the time in them."""

_VARIANT = {digit: "89ab"[int(digit, 16) % 4] for digit in "0123456789abcdef"}


def uuid7(milliseconds: int, digits: str) -> str:
    """Build a UUIDv7 from a time and random digits, so that the same input always gives the same id.

    Args:
        milliseconds: time since 1970, UTC.
        digits: at least 19 lower-case hexadecimal digits; the fourth contributes two bits, the others four.
    """
    time = f"{milliseconds:012x}"
    return f"{time[:8]}-{time[8:]}-7{digits[:3]}-{_VARIANT[digits[3]]}{digits[4:7]}-{digits[7:19]}"
