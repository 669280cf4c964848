WITH states AS (
    SELECT
        *,
        quantity_after <= 0 AS is_out,
        lag(quantity_after <= 0, 1, FALSE) OVER (PARTITION BY product_id ORDER BY event_time, source_offset, event_id) AS was_out
    FROM events.stock
),
outs AS (
    SELECT
        product_id,
        product_name,
        event_time AS started_at,
        event_time::DATE AS date,
        lead(event_time) OVER (PARTITION BY product_id ORDER BY event_time, source_offset, event_id) AS ended_at
    FROM states
    WHERE is_out <> was_out
    QUALIFY is_out
),
timed AS (
    SELECT *, seconds_between(started_at, coalesce(ended_at, (SELECT max(event_time) FROM events.stock))) AS duration_seconds FROM outs
),
-- Demand and price are those of the 28 days before, and so the same for all that began on a day.
beginnings AS (
    SELECT DISTINCT product_id, date FROM outs
),
demand AS (
    SELECT beginnings.product_id, beginnings.date, sum(sold) * 86400 / nullif(sum(in_stock_seconds), 0) AS demand_per_day
    FROM beginnings JOIN kpi.stock_daily
        ON stock_daily.product_id = beginnings.product_id AND stock_daily.date BETWEEN beginnings.date - 28 AND beginnings.date
    GROUP BY ALL
),
prices AS (
    SELECT beginnings.product_id, beginnings.date, currency, sum(units) AS units, sum(gmv_cents) / sum(units) AS unit_price_cents
    FROM beginnings JOIN kpi.top_products
        ON top_products.product_id = beginnings.product_id AND top_products.date BETWEEN beginnings.date - 28 AND beginnings.date
    GROUP BY beginnings.product_id, beginnings.date, currency
    QUALIFY row_number() OVER (PARTITION BY beginnings.product_id, beginnings.date ORDER BY sum(units) DESC, currency) = 1
)
SELECT
    timed.* EXCLUDE date,
    demand_per_day,
    demand_per_day * duration_seconds / 86400 AS lost_units,
    currency,
    unit_price_cents,
    clamped_double(floor(demand_per_day * duration_seconds / 86400 * unit_price_cents + 0.5)) AS lost_cents
FROM timed
LEFT JOIN demand USING (product_id, date)
LEFT JOIN prices USING (product_id, date)
