# ruff: noqa: E501, S608  (SQL of our own, in lines as long as it needs)
"""A lake of any size for demonstrations and measurements, written in seconds without Kafka or Spark.

Its orders, payments, deliveries and KPIs are consistent (payments belong to orders of the lake, KPI rows sum
up its events), but they are not those of the simulated shop.
"""

from datetime import UTC, datetime, timedelta

import duckdb
import pyarrow as pa
from deltalake import write_deltalake

from shopnow import kpis, schemas
from shopnow.events import TOPICS
from shopnow.lake.delta.tables import Table
from shopnow.traffic.catalogue import CATALOGUE

NOW = datetime(2026, 11, 24, 18, tzinfo=UTC)

_ORDERS = """
    SELECT i, 'o-' || lpad(to_hex(hash(i)), 16, '0') AS order_id, $start::TIMESTAMPTZ + (i * $step) * INTERVAL 1 MICROSECOND AS event_time,
        'c-' || lpad((draw(i, 1, $orders // 3 + 1))::VARCHAR, 8, '0') AS customer_id,
        ['Camille Roux', 'Léa Martin', 'Jonas Weber', 'Olivia Smith', 'Daan de Vries', '<b>O''Neil</b>'][1 + draw(i, 2, 6)] AS customer_name,
        ['FR', 'FR', 'GB', 'DE', 'ES', 'NL'][1 + draw(i, 2, 6)] AS country,
        floor(42 * pow((draw(i, 3, 10000)) / 10000.0, 2))::INTEGER AS product, 1 + draw(i, 4, 3) AS quantity
    FROM range($orders) t(i)
"""
_EVENTS = {
    "orders": """
        SELECT 'order_placed' AS event_type, event_time, order_id, 's-' || i AS session_id, customer_id, customer_name, country,
            [{product_id: c.product_id, product_name: c.name, category: c.category, quantity: quantity, unit_price_cents: c.price_cents}] AS items,
            0 AS discount_cents, quantity * price_cents AS total_cents, 'EUR' AS currency, '12 rue des Lilas, 69003 Lyon' AS address
        FROM placed JOIN catalogue c USING (product)
    """,
    "payments": """
        SELECT CASE WHEN draw(i, 5, 12) = 0 THEN 'payment_failed' ELSE 'payment_succeeded' END AS event_type,
            event_time + INTERVAL 40 SECOND AS event_time, 'pay-' || order_id[3:] || '-1' AS payment_id, order_id,
            ['card', 'card', 'debit', 'paypal', 'transfer'][1 + draw(i, 6, 5)] AS method, quantity * price_cents AS amount_cents, 'EUR' AS currency,
            1 AS attempt, CASE WHEN draw(i, 5, 12) = 0 THEN 'card declined' END AS reason
        FROM placed JOIN catalogue c USING (product)
    """,
    "deliveries": """
        SELECT ['delivery_created', 'delivery_in_transit', 'delivery_delivered'][1 + stage] AS event_type,
            event_time + INTERVAL 5 MINUTE + stage * INTERVAL 6 HOUR AS event_time, 'd-' || order_id[3:] AS delivery_id, order_id,
            '12 rue des Lilas, 69003 Lyon' AS address, date_trunc('hour', event_time) + INTERVAL 25 HOUR AS promised_at, stage / 2.0 AS progress
        FROM placed, range(3) s(stage) WHERE draw(i, 5, 12) <> 0 AND event_time + INTERVAL 5 MINUTE + stage * INTERVAL 6 HOUR < $now
    """,
}
_SALES = """
    SELECT {keys}, 'EUR' AS currency, count(*) FILTER (kind = 'o') AS orders, coalesce(sum(units) FILTER (kind = 'o'), 0) AS units,
        coalesce(sum(cents) FILTER (kind = 'o'), 0) AS gmv_cents, 0 AS discount_cents, count(*) FILTER (kind = 'payment_succeeded') AS payments_succeeded,
        count(*) FILTER (kind = 'payment_failed') AS payments_failed, coalesce(sum(cents) FILTER (kind = 'payment_succeeded'), 0) AS paid_cents,
        0 AS refunds, 0 AS refunds_cents, coalesce(sum(cents) FILTER (kind = 'payment_succeeded'), 0) AS net_revenue_cents,
        round(avg(cents) FILTER (kind = 'o')) AS average_order_cents
    FROM (
        SELECT 'o' AS kind, event_time, items[1].quantity AS units, total_cents AS cents, country, items[1].category AS category FROM orders
        UNION ALL SELECT p.event_type, p.event_time, 0, amount_cents, country, items[1].category FROM payments p JOIN orders USING (order_id)
    ) GROUP BY {keys}
"""
_DAY = "event_time::DATE AS date"


def _kpis() -> dict[str, str]:
    sales = {
        "kpi/sales_hourly": f"date_trunc('hour', event_time) AS hour, {_DAY}",
        "kpi/sales_daily": _DAY,
        "kpi/sales_by_country": f"{_DAY}, country",
        "kpi/sales_by_category": f"{_DAY}, category",
    }
    return {
        **{
            name: _SALES.format(keys=keys).replace(f"GROUP BY {keys}", "GROUP BY ALL")
            for name, keys in sales.items()
        },
        "kpi/top_products": f"""
            SELECT *, row_number() OVER (PARTITION BY date ORDER BY gmv_cents DESC) AS rank, NULL AS rank_change,
                row_number() OVER (PARTITION BY date ORDER BY units DESC) AS units_rank, NULL AS units_rank_change
            FROM (
                SELECT {_DAY}, 'EUR' AS currency, items[1].product_id AS product_id, any_value(items[1].product_name) AS product_name,
                    any_value(items[1].category) AS category, count(*) AS orders, sum(items[1].quantity) AS units, sum(total_cents) AS gmv_cents
                FROM orders GROUP BY ALL
            )""",
        "kpi/funnel": f"""
            SELECT {_DAY}, 9 * count(*) AS viewed, 3 * count(*) AS carted, count(*) AS ordered, count(*) * 11 // 12 AS paid,
                count(*) * 10 // 12 AS delivered, carted - ordered AS carts_abandoned, ordered - paid AS checkouts_abandoned,
                0.66 AS cart_abandonment, 0.08 AS checkout_abandonment, 0.1 AS conversion FROM orders GROUP BY ALL""",
        "kpi/payments": f"""
            SELECT {_DAY}, 'EUR' AS currency, method, count(*) AS attempts, count(*) FILTER (event_type = 'payment_succeeded') AS succeeded,
                attempts - succeeded AS failed, failed / attempts AS failure_rate, 0 AS recovered,
                coalesce(sum(amount_cents) FILTER (event_type = 'payment_succeeded'), 0) AS paid_cents, 0 AS recovered_cents, 0 AS refunds,
                0 AS refunds_cents FROM payments GROUP BY ALL""",
        "kpi/deliveries": f"""
            SELECT {_DAY}, count(*) FILTER (progress = 0) AS created, count(*) FILTER (progress = 0.5) AS shipped,
                count(*) FILTER (progress = 1) AS delivered, delivered AS on_time, 1.0 AS on_time_rate, 0.5 AS days_to_deliver,
                max(event_time) AS as_of, 3 AS pending, 5 AS in_transit, 0 AS overdue FROM deliveries GROUP BY ALL""",
        "kpi/stock_position": """
            SELECT product_id, name AS product_name, draw(product, 0, 120) * (product % 7 > 0)::INTEGER AS quantity, 100 AS sold_units,
                $now::TIMESTAMPTZ AS last_event_time, product AS last_offset, quantity = 0 AS stock_out FROM catalogue""",
        "kpi/stock_cover": """
            SELECT product_id, name AS product_name, $now::DATE AS as_of, draw(product, 0, 120) * (product % 7 > 0)::INTEGER AS quantity,
                1 + draw(product, 1, 9) AS demand_per_day, 1.5 AS demand_sd, 2.0 AS lead_time_days, 0.0 AS lead_time_sd_days,
                quantity / demand_per_day AS days_of_cover, 4 AS safety_stock, ceil(demand_per_day * 2 + 4) AS reorder_point,
                quantity <= reorder_point AS below_reorder_point FROM catalogue""",
    }


def write_lake(lake: str, orders: int, days: float, now: datetime | None = None) -> None:
    """Write the tables of a shop with `orders` orders in the `days` days until `now`."""
    now = now or datetime.now(UTC)
    database = duckdb.connect()
    database.execute("SET TimeZone='UTC'; SET memory_limit='2GB'")
    database.execute("CREATE MACRO draw(i, salt, n) AS (hash(i, salt) % n)::BIGINT")
    catalogue = pa.table(
        {
            "product": pa.array(range(len(CATALOGUE)), pa.int32()),
            **{
                name: [getattr(product, name) for product in CATALOGUE]
                for name in ("product_id", "name", "category", "price_cents")
            },
        }
    )
    database.register("catalogue", catalogue)
    parameters = {
        "orders": orders,
        "start": now - timedelta(days=days),
        "step": days * 86_400e6 / orders,
        "now": now,
    }
    database.execute(
        f"CREATE TABLE placed AS {_ORDERS}", {name: parameters[name] for name in ("orders", "start", "step")}
    )
    for topic, select in _EVENTS.items():
        database.execute(f"CREATE TABLE {topic} AS {select}", {"now": now} if "$now" in select else {})
        _write(database, lake, f"events/{topic}", topic, schemas.events(TOPICS[topic]), ["event_date"])
    proof = "'{}' AS raw_versions, $now::TIMESTAMPTZ AS computed_at, 0::BIGINT AS missing_rows, []::VARCHAR[] AS losses, 'holds' AS audit"
    for kpi in kpis.KPIS:
        if rows := _kpis().get(kpi.name):
            database.execute(f"CREATE OR REPLACE TABLE kpi AS SELECT *, {proof} FROM ({rows})", {"now": now})
            _write(database, lake, kpi.name, "kpi", kpi.schema, list(kpi.partition_by))


def _write(
    database: duckdb.DuckDBPyConnection,
    lake: str,
    name: str,
    source: str,
    schema: pa.Schema,
    partition_by: list[str],
) -> None:
    existing = {row[0] for row in database.execute(f"DESCRIBE {source}").fetchall()}
    columns = [
        "event_time::DATE AS event_date"
        if field.name == "event_date"
        else field.name
        if field.name in existing
        else f"NULL AS {field.name}"
        for field in schema
    ]
    Table(lake, name).ensure(schema, partition_by)
    rows = database.sql(f"SELECT {', '.join(columns)} FROM {source}").to_arrow_table().cast(schema)
    write_deltalake(Table(lake, name).uri, rows, mode="overwrite")
