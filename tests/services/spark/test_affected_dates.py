from datetime import date

from shopnow.kpis import COHORTS, CUSTOMERS, FUNNEL, SALES_BY_COUNTRY, SALES_DAILY, TRENDS
from shopnow_spark import affected_dates


def days(*numbers: int, month: int = 11) -> list[date]:
    return [date(2026, month, number) for number in numbers]


NOVEMBER = days(*range(1, 31))


def test_a_date_changes_with_its_own_events():
    assert affected_dates.affected(
        SALES_DAILY, {"events/orders": days(3), "events/payments": days(3, 5)}, NOVEMBER
    ) == set(days(3, 5))
    assert affected_dates.affected(SALES_DAILY, {"events/orders": days(3)}, days(4)) == set()


def test_a_payment_changes_its_own_day_and_an_order_those_of_its_payments():
    assert affected_dates.affected(SALES_BY_COUNTRY, {"events/payments": days(20)}, NOVEMBER) == set(days(20))
    assert affected_dates.affected(SALES_BY_COUNTRY, {"events/orders": days(10)}, NOVEMBER) == set(
        days(*range(9, 25))
    )


def test_events_of_an_order_change_the_day_its_session_started():
    assert affected_dates.affected(FUNNEL, {"events/deliveries": days(20)}, NOVEMBER) == set(
        days(*range(6, 21))
    )
    assert affected_dates.affected(FUNNEL, {"events/views": days(20)}, NOVEMBER) == set(days(20, 21))


def test_new_customers_on_all_later_days_depend_on_an_order():
    assert affected_dates.affected(CUSTOMERS, {"events/orders": days(20)}, NOVEMBER) == set(
        days(*range(20, 31))
    )


def test_months_change_as_a_whole():
    months = days(1, month=9) + days(1, month=10) + days(1)
    assert affected_dates.affected(COHORTS, {"events/orders": days(20, month=10)}, months) == set(months[1:])
    assert affected_dates.kpi_dates(COHORTS, NOVEMBER + days(4, month=9)) == {months[0], months[2]}
    [orders, _] = COHORTS.sources
    assert affected_dates.source_dates(
        COHORTS, orders, months[1:2], NOVEMBER + days(1, 31, month=10)
    ) == days(1, 31, month=10)


def test_rows_take_the_dates_of_their_window():
    [hourly] = TRENDS.sources
    assert affected_dates.source_dates(TRENDS, hourly, days(20), NOVEMBER) == days(*range(5, 22))
    assert affected_dates.source_dates(TRENDS, hourly, days(20, 2), days(2, 3, 4, 19)) == days(2, 3, 19)


def test_windows_stop_at_the_ends_of_the_calendar():
    ends = [date.min, date.max]
    for kpi in (FUNNEL, TRENDS, COHORTS):
        dates = affected_dates.kpi_dates(kpi, ends)
        for source in (source for source in kpi.sources if source.date):
            assert affected_dates.affected(kpi, {source.table: ends}, dates) == dates
            assert affected_dates.source_dates(kpi, source, dates, ends) == ends
