WITH states AS (
    SELECT
        *,
        event_time::DATE AS date,
        quantity_after <= 0 AS is_out,
        lag(quantity_after <= 0, 1, FALSE) OVER (PARTITION BY product_id ORDER BY event_time, source_offset, event_id) AS was_out,
        CASE WHEN event_type = 'stock_sold' THEN -quantity_change ELSE 0 END AS sold
    FROM events.stock
),
-- Units sold in all and on that day, up to and including that moment.
busy AS (
    SELECT
        *,
        sum(sold) OVER (ORDER BY event_time RANGE UNBOUNDED PRECEDING) AS sold_by_then,
        sum(sold) OVER (ORDER BY date RANGE UNBOUNDED PRECEDING) AS sold_by_evening,
        sum(sold) OVER () AS sold_by_now,
        max(event_time) OVER () AS observed_until
    FROM states
),
outs AS (
    SELECT
        *,
        lead(event_time) OVER of_product AS ended_at,
        lead(sold_by_then) OVER of_product AS sold_by_its_end
    FROM busy
    WHERE is_out <> was_out
    WINDOW of_product AS (PARTITION BY product_id ORDER BY event_time, source_offset, event_id)
    QUALIFY is_out
),
timed AS (
    SELECT
        product_id,
        product_name,
        date,
        event_time AS started_at,
        ended_at,
        seconds_between(event_time, coalesce(ended_at, observed_until)) AS duration_seconds,
        coalesce(sold_by_its_end, sold_by_now) - sold_by_then AS shop_sold,
        CASE WHEN ended_at::DATE = date THEN sold_by_its_end ELSE sold_by_evening END - sold_by_then AS shop_sold_first_day
    FROM outs
    WHERE ended_at IS NULL OR ended_at > event_time
),
-- Demand and price are those of the 28 days before, so they are the same for all stock-outs that began on one day.
beginnings AS (
    SELECT DISTINCT product_id, date FROM timed
),
demand AS (
    SELECT beginnings.product_id, beginnings.date, sum(sold) AS sold, sum(shop_sold_in_stock) - sum(sold) AS others_sold
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
),
estimated AS (
    SELECT
        timed.* EXCLUDE date,
        CASE WHEN others_sold > 0 THEN demand.sold / others_sold END AS demand_share,
        CASE WHEN others_sold > 0 THEN demand.sold / others_sold END * shop_sold AS lost_units,
        currency,
        unit_price_cents
    FROM timed
    LEFT JOIN demand USING (product_id, date)
    LEFT JOIN prices USING (product_id, date)
)
SELECT *, clamped_double(floor(lost_units * unit_price_cents + 0.5)) AS lost_cents FROM estimated
