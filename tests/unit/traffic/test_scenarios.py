from pathlib import Path

import pytest

from shopnow.errors import UserError
from shopnow.traffic import scenarios
from shopnow.traffic.catalogue import CATALOGUE
from shopnow.traffic.scenarios import FILE, HOUR, NORMAL, phases


def test_the_scenarios_are_there_and_each_is_another_than_the_normal_day() -> None:
    found = {**scenarios.load()}
    assert list(found) == [
        NORMAL,
        "flash_sale",
        "payment_outage",
        "supplier_delay",
        "bot_traffic",
        "slow_week",
    ]
    normal = found.pop(NORMAL)
    assert not normal.incidents
    for scenario in found.values():
        assert scenario.incidents or scenario.conditions != normal.conditions
        assert all(incident.conditions != scenario.conditions for incident in scenario.incidents)
        assert all(incident.conditions.on_sale <= len(CATALOGUE) for incident in scenario.incidents)


def test_an_incident_changes_what_it_names_and_nothing_else() -> None:
    outage = scenarios.scenario("payment_outage")
    [incident] = outage.incidents
    assert {
        name
        for name, method in incident.conditions.methods.items()
        if method != outage.conditions.methods[name]
    } == {"card", "paypal"}
    assert incident.conditions.methods["card"].share == outage.conditions.methods["card"].share


@pytest.mark.parametrize(("hours", "begins"), [(1, 5.5), (16, 18), (24, 18), (700, 354)])
def test_stretches_cover_the_period_and_the_incident_is_in_it(hours: int, begins: float) -> None:
    sale = scenarios.scenario("flash_sale")
    start, end = 5 * HOUR, (5 + hours) * HOUR
    found = phases(sale, start, end)
    assert [found[0].start, *(each.end for each in found)] == [*(each.start for each in found), end]
    [incident] = [each for each in found if each.conditions.on_sale]
    assert incident.start == begins * HOUR
    assert incident.end - incident.start == min(sale.incidents[0].lasts_hours, hours / 2) * HOUR


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("bots = 0.02", "bots = 2"), r"normal_day: .*<= 1.* `bots`"),
        (("bots = 0.02", ""), "normal_day: .*`bots`"),
        (("arrivals = 0.45", "arivals = 0.45"), "slow_week: .*`arivals`"),
        (("weekdays = [0.95,", "weekdays = ["), "normal_day: .*length >= 7.*`weekdays`"),
        (("lasts_hours = 4", "lasts_hours = 0"), "payment_outage: .*`lasts_hours`"),
        (
            ("lasts_hours = 4", "lasts_hours = 4\ngrowth_per_week = 0.5"),
            "payment_outage: an incident cannot change growth_per_week",
        ),
        (("methods.card.fails = 0.95", "methods.cash.fails = 0.95"), "payment_outage: .*cash"),
        (('title = "Slow week"', ""), "slow_week: .*`title`"),
        (("[normal_day]", "[ordinary_day]"), r"no \[normal_day\]"),
        (("[slow_week]", "[slow_week"), "not TOML"),
    ],
)
def test_a_wrong_file_is_explained_in_one_line(tmp_path: Path, change: tuple[str, str], says: str) -> None:
    file = tmp_path / "scenarios.toml"
    text = FILE.read_text()
    assert change[0] in text
    file.write_text(text.replace(*change, 1))
    with pytest.raises(UserError, match=says) as error:
        scenarios.load(file)
    assert "\n" not in str(error.value)


def test_an_unknown_scenario_is_named_with_those_there_are() -> None:
    with pytest.raises(UserError, match="'black_friday': give one of normal_day, flash_sale"):
        scenarios.scenario("black_friday")
