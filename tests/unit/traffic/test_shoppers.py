from collections import Counter

from shopnow.traffic.shoppers import COUNTRIES, shopper


def test_a_customer_number_always_gives_the_same_person() -> None:
    assert shopper(7) == shopper(7)
    assert shopper(7).customer_id == b"c-00000007"


def test_customers_are_diverse_and_most_are_from_france() -> None:
    people = [shopper(number) for number in range(2000)]
    countries = Counter(person.country for person in people)
    assert set(countries) == set(COUNTRIES.values())
    assert countries.most_common(1)[0][0] == b"FR"
    assert len({(person.name, person.address) for person in people}) > 1900
    assert not any(b"\n" in person.address for person in people)
