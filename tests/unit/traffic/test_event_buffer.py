import uuid

from hypothesis import given
from hypothesis import strategies as st

from shopnow.ids import uuid7
from shopnow.traffic.event_buffer import to_datetime


@given(st.integers(0, 2**48 - 1), st.text("0123456789abcdef", min_size=32, max_size=32))
def test_uuid7_holds_the_time_and_the_digits(at: int, digits: str) -> None:
    made = uuid.UUID(uuid7(at, digits))
    assert str(made) == uuid7(at, digits)
    assert (made.version, made.variant) == (7, uuid.RFC_4122)
    assert made.int >> 80 == at
    assert made.hex[13:16] + made.hex[17:] == digits[:3] + digits[4:19]


@given(st.integers(0, 4_102_444_800_000))
def test_moment_keeps_every_millisecond(at: int) -> None:
    assert to_datetime(at).microsecond == at % 1000 * 1000
    assert round(to_datetime(at).timestamp() * 1000) == at
