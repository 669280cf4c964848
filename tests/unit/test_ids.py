import uuid

from hypothesis import given
from hypothesis import strategies as st

from shopnow.ids import uuid7


@given(st.integers(0, 2**48 - 1), st.text("0123456789abcdef", min_size=32, max_size=32))
def test_uuid7_holds_the_time_and_the_digits(milliseconds: int, digits: str) -> None:
    id_ = uuid.UUID(uuid7(milliseconds, digits))
    assert str(id_) == uuid7(milliseconds, digits)
    assert (id_.version, id_.variant) == (7, uuid.RFC_4122)
    assert id_.int >> 80 == milliseconds
    assert id_.hex[13:16] + id_.hex[17:] == digits[:3] + digits[4:19]
