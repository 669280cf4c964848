from pathlib import Path

import pytest

from shopnow.errors import UserError
from shopnow.traffic import scenarios
from shopnow.traffic.catalogue import CATALOGUE
from shopnow.traffic.scenarios import FILE, HOUR, NORMAL, phases


def test_each_scenario_differs_from_the_normal_day() -> None:
    others = {**scenarios.load()}
    assert list(others) == [
        NORMAL,
        "flash_sale",
        "payment_outage",
        "supplier_delay",
        "bot_traffic",
        "slow_week",
    ]
    normal = others.pop(NORMAL)
    assert not normal.incidents
    for scenario in others.values():
        assert scenario.incidents or scenario.conditions != normal.conditions
        assert all(incident.conditions != scenario.conditions for incident in scenario.incidents)
        assert all(incident.conditions.on_sale <= len(CATALOGUE) for incident in scenario.incidents)


def test_an_incident_overrides_only_the_conditions_it_sets() -> None:
    outage = scenarios.scenario("payment_outage")
    [incident] = outage.incidents
    assert {
        name
        for name, method in incident.conditions.methods.items()
        if method != outage.conditions.methods[name]
    } == {"card", "paypal"}
    assert incident.conditions.methods["card"].share == outage.conditions.methods["card"].share


@pytest.mark.parametrize(("hours", "begins"), [(1, 5.5), (16, 18), (24, 18), (700, 354)])
def test_phases_cover_the_period_and_contain_the_incident(hours: int, begins: float) -> None:
    sale = scenarios.scenario("flash_sale")
    start, end = 5 * HOUR, (5 + hours) * HOUR
    result = phases(sale, start, end)
    assert [result[0].start, *(phase.end for phase in result)] == [*(phase.start for phase in result), end]
    [incident] = [phase for phase in result if phase.conditions.on_sale]
    assert incident.start == begins * HOUR
    assert incident.end - incident.start == min(sale.incidents[0].lasts_hours, hours / 2) * HOUR


@pytest.mark.parametrize(
    ("change", "message"),
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
        (("[normal_day]", "[ordinary_day]"), r"the table \[normal_day\] is missing"),
        (("[slow_week]", "[slow_week"), "not valid TOML"),
    ],
)
def test_an_invalid_file_is_explained_in_one_line(
    tmp_path: Path, change: tuple[str, str], message: str
) -> None:
    file = tmp_path / "scenarios.toml"
    text = FILE.read_text()
    assert change[0] in text
    file.write_text(text.replace(*change, 1))
    with pytest.raises(UserError, match=message) as error:
        scenarios.load(file)
    assert "\n" not in str(error.value)


def test_an_unknown_scenario_is_reported_with_the_valid_ones() -> None:
    with pytest.raises(UserError, match="'black_friday': give one of normal_day, flash_sale"):
        scenarios.scenario("black_friday")
