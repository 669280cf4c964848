"""How sales develop: this week beside the one before, and hours that are not as they usually are."""

import pyarrow as pa

from shopnow.kpis.definition import CURRENCY, DATE, PROVENANCE, Kpi, figure, key, rows_of
from shopnow.kpis.sales import SALES_HOURLY
from shopnow.schemas import TIMESTAMP

TREND_FIGURES = ("orders", "units", "gmv_cents", "payments_failed", "refunds_cents", "net_revenue_cents")
"""Figures of `kpi/sales_hourly` that are compared week by week."""

ANOMALY_FIGURES = ("orders", "payments_failed", "net_revenue_cents")
"""Figures of `kpi/sales_hourly` whose hours are held against the usual."""

BASELINE_WEEKS = 8
"""The usual is that of so many weeks before, of which `WEEKS_AT_LEAST` have to be there."""
MIN_BASELINE_WEEKS = 3
ANOMALY_SCORE = 4.0
"""A score beyond this, either way, is an anomaly."""

_AS_OF = (
    "end of the day if there are sales on the next, otherwise that of the day's last hour with sales that was over when the row was "
    "computed; sales in whatever currency; no row of a day without such an hour"
)

TRENDS = Kpi(
    "kpi/trends",
    "Week over week",
    "a figure by day and currency with orders or payments",
    (rows_of(SALES_HOURLY, back=15, forward=1),),
    pa.schema(
        [
            DATE,
            CURRENCY,
            key("figure", pa.string(), "the column of `kpi/sales_hourly` that is compared"),
            figure("as_of", TIMESTAMP, _AS_OF),
            figure("this_week", pa.int64(), "its sum over the 168 hours to as_of", "as the figure"),
            figure("week_before", pa.int64(), "its sum over the 168 hours before those", "as the figure"),
            figure(
                "change",
                pa.float64(),
                "(this_week − week_before) ÷ |week_before|; null if week_before is 0, or not equally complete: no sales, in whatever "
                "currency, are known from the 24 hours before its beginning to the 24 after",
                "share",
            ),
            *PROVENANCE,
        ]
    ),
)
ANOMALIES = Kpi(
    "kpi/anomalies",
    "Hours unlike the usual",
    "an hour, currency and figure, up to as_of, if `weeks` is at least three",
    (rows_of(SALES_HOURLY, back=7 * BASELINE_WEEKS, forward=1),),
    pa.schema(
        [
            key(
                "hour",
                TIMESTAMP,
                "start of the hour, UTC; every hour of a day up to as_of (see `kpi/trends`), also one without sales",
            ),
            DATE,
            CURRENCY,
            key("figure", pa.string(), "the column of `kpi/sales_hourly`"),
            figure("value", pa.int64(), "its value in that hour; 0 if there is no row", "as the figure"),
            figure(
                "weeks",
                pa.int64(),
                "how many of the eight days one to eight weeks before have sales in that currency",
                "weeks",
            ),
            figure(
                "expected",
                pa.float64(),
                "the median of its values at that hour of those days",
                "as the figure",
            ),
            figure(
                "deviation",
                pa.float64(),
                "the median of their absolute differences from expected",
                "as the figure",
            ),
            figure(
                "score",
                pa.float64(),
                "(value − expected) ÷ the greatest of 1.4826 × deviation, a tenth of |expected|, and 1 (100 for cents)",
                "",
            ),
            figure("anomaly", pa.bool_(), "whether the score is beyond 4, either way"),
            *PROVENANCE,
        ]
    ),
)
