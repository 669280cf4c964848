"""Fulfilment KPIs: payments and deliveries."""

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
            total("attempts", "payment attempts: succeeded and failed", "payments"),
            total("succeeded", "payments succeeded", "payments"),
            total("failed", "payments failed", "payments"),
            figure("failure_rate", pa.float64(), "failed ÷ attempts; null without attempts", "share"),
            total(
                "recovered",
                "payments that succeeded at the second or a later attempt, whatever the method of the first",
                "payments",
            ),
            total("paid_cents", "Σ amount of payments succeeded", "cents"),
            total("recovered_cents", "Σ amount of recovered payments", "cents"),
            total("refunds", "payments refunded", "payments"),
            total("refunds_cents", "Σ amount of payments refunded", "cents"),
            *PROVENANCE,
        ]
    ),
    tracks_restatements=True,
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
                "deliveries created that day; of repeated events of one type for a delivery the first counts",
                "deliveries",
            ),
            total("shipped", "deliveries that went in transit that day", "deliveries"),
            total("delivered", "deliveries delivered that day", "deliveries"),
            total(
                "on_time",
                "of the delivered: delivered not after the promised time in the delivered event",
                "deliveries",
            ),
            figure(
                "on_time_rate",
                pa.float64(),
                "on_time ÷ delivered; null if delivered is 0",
                "share",
            ),
            figure(
                "days_to_deliver",
                pa.float64(),
                "mean time from created to delivered, of deliveries delivered that day and created that day "
                "or in the 14 days before; null without any: Σ milliseconds ÷ their number ÷ 86,400,000",
                "days",
            ),
            figure(
                "as_of",
                pa.timestamp("us", tz="UTC"),
                "time of the day's last delivery event, the reference time of the next figures",
            ),
            figure(
                "pending",
                pa.int64(),
                "deliveries created that day or in the 14 days before, neither in transit nor delivered at "
                "as_of",
                "deliveries",
            ),
            figure(
                "in_transit",
                pa.int64(),
                "deliveries that went in transit in those 15 days, not delivered at as_of",
                "deliveries",
            ),
            figure(
                "overdue",
                pa.int64(),
                "of pending and in_transit: promised time of the latest event before as_of",
                "deliveries",
            ),
            *PROVENANCE,
        ]
    ),
)
