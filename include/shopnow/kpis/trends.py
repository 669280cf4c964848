"""Sales trends: week over week changes, and anomalous hours."""

import pyarrow as pa

from shopnow.kpis.definition import CURRENCY, DATE, PROVENANCE, Kpi, figure, key, rows_of
from shopnow.kpis.sales import SALES_HOURLY
from shopnow.schemas import TIMESTAMP

TREND_FIGURES = ("orders", "units", "gmv_cents", "payments_failed", "refunds_cents", "net_revenue_cents")
"""Columns of `kpi/sales_hourly` that are compared week over week."""

ANOMALY_FIGURES = ("orders", "payments_failed", "net_revenue_cents")
"""Columns of `kpi/sales_hourly` that are checked for anomalous hours."""

BASELINE_WEEKS = 8
"""Number of weeks before the hour that form the baseline."""
MIN_BASELINE_WEEKS = 3
"""Minimum number of these weeks with sales."""
ANOMALY_SCORE = 4.0
"""Absolute score above which an hour is an anomaly."""

_AS_OF = (
    "end of the day if the next day has sales, otherwise end of the day's last completed hour with sales "
    "when the row was computed; sales in any currency; a day without such an hour has no row"
)

TRENDS = Kpi(
    "kpi/trends",
    "Week over week",
    "a figure, day and currency with orders or payments",
    (rows_of(SALES_HOURLY, back=15, forward=1),),
    pa.schema(
        [
            DATE,
            CURRENCY,
            key("figure", pa.string(), "column of `kpi/sales_hourly` that is compared"),
            figure("as_of", TIMESTAMP, _AS_OF),
            figure("this_week", pa.int64(), "sum over the 168 hours up to as_of", "as the figure"),
            figure("week_before", pa.int64(), "sum over the 168 hours before those", "as the figure"),
            figure(
                "change",
                pa.float64(),
                "(this_week − week_before) ÷ |week_before|; null if week_before is 0 or incomplete: no "
                "sales in any currency within 24 hours of its start",
                "share",
            ),
            *PROVENANCE,
        ]
    ),
)
ANOMALIES = Kpi(
    "kpi/anomalies",
    "Anomalous hours",
    "an hour, currency and figure, up to as_of, if `weeks` is at least three",
    (rows_of(SALES_HOURLY, back=7 * BASELINE_WEEKS, forward=1),),
    pa.schema(
        [
            key(
                "hour",
                TIMESTAMP,
                "start of the hour, UTC; every hour of a day up to as_of (see `kpi/trends`), including "
                "hours without sales",
            ),
            DATE,
            CURRENCY,
            key("figure", pa.string(), "column of `kpi/sales_hourly`"),
            figure("value", pa.int64(), "value in that hour; 0 without a row", "as the figure"),
            figure(
                "weeks",
                pa.int64(),
                "number of the eight days one to eight weeks before with sales in that currency",
                "weeks",
            ),
            figure(
                "expected",
                pa.float64(),
                "median of the values at that hour of those days",
                "as the figure",
            ),
            figure(
                "deviation",
                pa.float64(),
                "median of their absolute differences from expected",
                "as the figure",
            ),
            figure(
                "score",
                pa.float64(),
                "(value − expected) ÷ max(1.4826 × deviation, |expected| ÷ 10, 1), with 100 instead of 1 "
                "for cents",
                "",
            ),
            figure("anomaly", pa.bool_(), "whether |score| is above 4"),
            *PROVENANCE,
        ]
    ),
)
