"""The copies of the lake's tables that the pages query, and the tables derived from them."""

import pyarrow as pa

from shopnow import schemas
from shopnow.alerts import alert_log
from shopnow.events import TOPICS
from shopnow.kpis import KPIS
from shopnow.lake.ingest.data_loss import LOSSES
from shopnow.lake.ingest.receipts import RECEIPTS
from shopnow_tab_app.replica.protocol import DerivedTable, TableCopy

EVENTS = {name: schemas.events(topic) for name, topic in TOPICS.items()}


def _columns(topic: str, *names: str) -> pa.Schema:
    return pa.schema([EVENTS[topic].field(name) for name in names])


# Tables are joined by a hash of their ids, which are long texts.
_ORDERS = TableCopy(
    "events/orders",
    _columns(
        "orders",
        "event_type",
        "event_time",
        "order_id",
        "customer_id",
        "customer_name",
        "country",
        "items",
        "total_cents",
        "currency",
    ),
    "hash(order_id) AS key, event_type, event_time, order_id, customer_id, customer_name, country, "
    "items[1].product_name AS product, len(items)::INTEGER AS products, "
    "list_sum([item.quantity FOR item IN items])::BIGINT AS units, total_cents, currency",
    topic="orders",
)
_PAYMENTS = TableCopy(
    "events/payments",
    _columns(
        "payments",
        "event_type",
        "event_time",
        "payment_id",
        "order_id",
        "method",
        "amount_cents",
        "currency",
        "attempt",
        "reason",
    ),
    "hash(order_id) AS key, event_type.replace('payment_', '') AS status, event_time, payment_id, order_id, "
    "method, amount_cents, currency, attempt::SMALLINT AS attempt, reason",
    topic="payments",
)
_DELIVERIES = TableCopy(
    "events/deliveries",
    _columns(
        "deliveries",
        "event_type",
        "event_time",
        "delivery_id",
        "order_id",
        "address",
        "promised_at",
        "progress",
    ),
    "hash(delivery_id) AS key, "
    "CASE event_type WHEN 'delivery_created' THEN 0 WHEN 'delivery_in_transit' THEN 1 ELSE 2 END::TINYINT "
    "AS stage, "
    "event_time, delivery_id, order_id, address, promised_at, progress",
    topic="deliveries",
)


def _raw(topic: str) -> TableCopy:
    """Copy the quarantined records of a raw table."""
    names = ("topic_id", "partition", "offset", "timestamp", "key", "value", "problem")
    return TableCopy(
        f"raw/{topic}", pa.schema([schemas.RAW.field(name) for name in names]), where="problem IS NOT NULL"
    )


_ALERT_COLUMNS = (
    "kind",
    "state",
    "dedup_key",
    "fingerprint",
    "thread",
    "rule",
    "severity",
    "about",
    "subject",
    "subject_name",
    "facts",
    "title",
    "todo",
)
_ALERTS = TableCopy(
    alert_log.TABLE,
    pa.schema(
        [
            alert_log.SCHEMA.field(name)
            for name in (
                *_ALERT_COLUMNS,
                "channel",
                "reason",
                "by",
                "target",
                "sequence",
                "at",
                "since",
                "until",
            )
        ]
    ),
)

COPIES = (
    *(TableCopy(kpi.name, kpi.schema) for kpi in KPIS if kpi.name != "kpi/customer_orders"),
    _ORDERS,
    _PAYMENTS,
    _DELIVERIES,
    *map(_raw, TOPICS),
    TableCopy(RECEIPTS.table, RECEIPTS.schema),
    TableCopy(LOSSES.table, LOSSES.schema),
    _ALERTS,
)

ORDERS_NOW = DerivedTable(
    "orders_now",
    {"events/orders": "key", "events/payments": "key", "events/deliveries": "hash(order_id)"},
    """
    WITH paid AS (
        SELECT key,
            max(CASE status WHEN 'refunded' THEN 3 WHEN 'succeeded' THEN 2 ELSE 1 END)::TINYINT AS stage,
            bool_or(provisional) AS provisional
        FROM "events/payments" GROUP BY key
    ), sent AS (
        SELECT hash(order_id) AS key, max(stage) AS stage, bool_or(provisional) AS provisional
        FROM "events/deliveries" GROUP BY hash(order_id)
    ), cancelled AS (
        SELECT key, bool_or(provisional) AS provisional
        FROM "events/orders" WHERE event_type = 'order_cancelled' GROUP BY key
    )
    SELECT orders.* EXCLUDE (_file, event_type, provisional),
        orders.provisional OR coalesce(paid.provisional, false) OR coalesce(sent.provisional, false)
            OR coalesce(cancelled.provisional, false) AS provisional,
        CASE
        WHEN cancelled.key IS NOT NULL THEN 'cancelled'
        WHEN paid.stage = 3 THEN 'refunded'
        WHEN sent.stage = 2 THEN 'delivered'
        WHEN sent.stage = 1 THEN 'in_transit'
        WHEN paid.stage = 2 THEN 'paid'
        WHEN paid.stage = 1 THEN 'failed'
        ELSE 'placed'
        END::ENUM('placed', 'failed', 'paid', 'in_transit', 'delivered', 'refunded', 'cancelled') AS status
    FROM "events/orders" AS orders
    LEFT JOIN paid USING (key) LEFT JOIN sent USING (key) LEFT JOIN cancelled USING (key)
    WHERE event_type = 'order_placed'
    """,
)
"""Every order placed, with its current status; provisional if an event of it is."""

DELIVERIES_NOW = DerivedTable(
    "deliveries_now",
    {"events/deliveries": "key"},
    """
    SELECT latest.* EXCLUDE (_file, stage),
        (['pending', 'in_transit', 'delivered'])[1 + stage]::ENUM('pending', 'in_transit', 'delivered')
            AS stage,
        stages.created_at, stages.shipped_at, stages.delivered_at
    FROM "events/deliveries" AS latest JOIN (
        SELECT key, max(stage) AS stage, min(event_time) FILTER (stage = 0) AS created_at,
            min(event_time) FILTER (stage = 1) AS shipped_at,
            min(event_time) FILTER (stage = 2) AS delivered_at
        FROM "events/deliveries" GROUP BY key
    ) AS stages USING (key, stage)
    """,
)
"""Every delivery in its latest stage, with the time it entered each stage."""

_HOUR = "(epoch_ms(event_time) // 3600000)::UBIGINT"

SALES_NOW = DerivedTable(
    "sales_now",
    {"events/orders": _HOUR, "events/payments": _HOUR},
    f"""
    SELECT {_HOUR} AS key, date_trunc('hour', event_time) AS hour, currency,
        count(*) FILTER (status = 'placed') AS orders,
        count(*) FILTER (status = 'succeeded') AS payments_succeeded,
        count(*) FILTER (status = 'failed') AS payments_failed,
        sum(CASE status WHEN 'succeeded' THEN amount_cents WHEN 'refunded' THEN -amount_cents ELSE 0 END)
            AS net_revenue_cents,
        count(*) AS events
    FROM (
        SELECT event_time, currency, 'placed' AS status, 0::BIGINT AS amount_cents
        FROM "events/orders" WHERE event_type = 'order_placed'
        UNION ALL SELECT event_time, currency, status, amount_cents FROM "events/payments"
    ) GROUP BY ALL
    """,  # noqa: S608  (SQL of our own)
)
"""Sales by hour and currency, of all events and provisional rows; KPIs have them after their next run."""

DERIVED = (ORDERS_NOW, DELIVERIES_NOW, SALES_NOW)


def with_sources(table: str) -> tuple[str, ...]:
    """Return a table and, if it is derived, the copies it is computed from."""
    return (table, *(source for derived in DERIVED if derived.table == table for source in derived.keys))
