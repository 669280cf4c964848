from hypothesis import given
from hypothesis import strategies as st

from shopnow.traffic.event_buffer import to_datetime


@given(st.integers(0, 4_102_444_800_000))
def test_to_datetime_keeps_every_millisecond(milliseconds: int) -> None:
    assert to_datetime(milliseconds).microsecond == milliseconds % 1000 * 1000
    assert round(to_datetime(milliseconds).timestamp() * 1000) == milliseconds
