import uuid

from hypothesis import given
from hypothesis import strategies as st

from shopnow.traffic.journal import moment, uuid7


@given(st.integers(0, 2**48 - 1), st.integers(0, 2**128 - 1))
def test_uuid7_holds_the_time_and_74_of_the_bits(at: int, bits: int) -> None:
    made = uuid.UUID(uuid7(at, bits))
    assert str(made) == uuid7(at, bits)
    assert (made.version, made.variant) == (7, uuid.RFC_4122)
    assert made.int >> 80 == at
    assert (made.int >> 64 & 0xFFF) << 62 | made.int & (1 << 62) - 1 == bits & (1 << 74) - 1


@given(st.integers(0, 4_102_444_800_000))
def test_moment_keeps_every_millisecond(at: int) -> None:
    assert moment(at).microsecond == at % 1000 * 1000
    assert round(moment(at).timestamp() * 1000) == at
