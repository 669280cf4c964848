WITH lines AS (
    SELECT event_id, event_time, date, currency, unnest(items) AS item, generate_subscripts(items, 1) AS line FROM placed
),
sums AS (
    SELECT
        date,
        currency,
        item.product_id,
        last(item.product_name ORDER BY event_time, event_id, line) AS product_name,
        last(item.category ORDER BY event_time, event_id, line) AS category,
        count(DISTINCT event_id) AS orders,
        clamped(sum(item.quantity)) AS units,
        clamped(sum(item.quantity::HUGEINT * item.unit_price_cents)) AS gmv_cents
    FROM lines
    GROUP BY ALL
),
ranked AS (
    SELECT
        *,
        row_number() OVER (PARTITION BY date, currency ORDER BY gmv_cents DESC, units DESC, product_id) AS rank,
        row_number() OVER (PARTITION BY date, currency ORDER BY units DESC, gmv_cents DESC, product_id) AS units_rank
    FROM sums
)
SELECT today.*, before.rank - today.rank AS rank_change, before.units_rank - today.units_rank AS units_rank_change
FROM ranked AS today
LEFT JOIN ranked AS before
    ON before.date = today.date - 1 AND before.currency = today.currency AND before.product_id = today.product_id
