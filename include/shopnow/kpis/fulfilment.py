"""What becomes of orders: payments and deliveries."""

import pyarrow as pa

from shopnow.kpis.definition import CURRENCY, DATE, PROVENANCE, Kpi, events, figure, key, total
from shopnow.kpis.sales import ORDER_DAYS

PAYMENTS = Kpi(
    "kpi/payments",
    "Payments",
    "a day, currency and method with payment events",
    (events("payments"),),
    pa.schema(
        [
            DATE,
            CURRENCY,
            key("method", pa.string(), "card, debit, paypal or transfer"),
            total("attempts", "payments tried: succeeded and failed", "payments"),
            total("succeeded", "payments succeeded", "payments"),
            total("failed", "payments failed", "payments"),
            figure("failure_rate", pa.float64(), "failed ÷ attempts; null without attempts", "share"),
            total(
                "recovered",
                "payments succeeded at a second or later attempt, whatever the method of the first",
                "payments",
            ),
            total("paid_cents", "Σ amount of payments succeeded", "cents"),
            total("recovered_cents", "Σ amount of those recovered", "cents"),
            total("refunds", "payments refunded", "payments"),
            total("refunds_cents", "Σ amount of payments refunded", "cents"),
            *PROVENANCE,
        ]
    ),
    restated=True,
)
DELIVERIES = Kpi(
    "kpi/deliveries",
    "Deliveries",
    "a day with delivery events",
    (events("deliveries", back=ORDER_DAYS),),
    pa.schema(
        [
            DATE,
            total(
                "created",
                "deliveries created that day; of events of a kind repeated for a delivery the first counts",
                "deliveries",
            ),
            total("shipped", "deliveries that went in transit that day", "deliveries"),
            total("delivered", "deliveries delivered that day", "deliveries"),
            total(
                "on_time",
                "of those delivered: not after the time promised by the event that says delivered",
                "deliveries",
            ),
            figure("on_time_rate", pa.float64(), "on_time ÷ delivered; null if none was", "share"),
            figure(
                "days_to_deliver",
                pa.float64(),
                "mean time from created to delivered, of those delivered that day that were created in the 14 days before or the same day; "
                "null if none: Σ milliseconds ÷ their number ÷ 86,400,000",
                "days",
            ),
            figure(
                "as_of",
                pa.timestamp("us", tz="UTC"),
                "time of the day's last delivery event, to which the next figures refer",
            ),
            figure(
                "pending",
                pa.int64(),
                "deliveries created in the 14 days before or that day that were neither in transit nor delivered as of then",
                "deliveries",
            ),
            figure(
                "in_transit",
                pa.int64(),
                "deliveries in transit since those 15 days and not delivered as of then",
                "deliveries",
            ),
            figure(
                "overdue",
                pa.int64(),
                "of pending and in transit: promised, by the delivery's latest event, for before as_of",
                "deliveries",
            ),
            *PROVENANCE,
        ]
    ),
)
