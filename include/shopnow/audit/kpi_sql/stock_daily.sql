WITH changes AS (
    SELECT
        *,
        event_time::DATE AS date,
        CASE WHEN event_type = 'stock_sold' THEN -quantity_change ELSE 0 END AS sold
    FROM events.stock
),
-- Units sold on the day, up to and including each change.
timed AS (
    SELECT
        *,
        max(event_time) OVER (PARTITION BY date) AS observed_until,
        sum(sold) OVER (PARTITION BY date ORDER BY event_time RANGE UNBOUNDED PRECEDING) AS shop_sold,
        sum(sold) OVER (PARTITION BY date) AS shop_sold_in_all
    FROM changes
),
-- Each change starts an interval; the first also ends the one that starts at midnight.
spans AS (
    SELECT
        *,
        row_number() OVER of_day = 1 AS is_first,
        quantity_after > 0 AS in_stock,
        row_number() OVER of_day = 1 AND quantity_after - quantity_change > 0 AS in_stock_before,
        coalesce(lead(event_time) OVER of_day, observed_until) AS until,
        coalesce(lead(shop_sold) OVER of_day, shop_sold_in_all) - shop_sold AS shop_sold_until
    FROM timed
    WINDOW of_day AS (PARTITION BY product_id, date ORDER BY event_time, source_offset, event_id)
),
days AS (
    SELECT
        date,
        product_id,
        last(product_name ORDER BY event_time, source_offset, event_id) AS product_name,
        any_value(quantity_after - quantity_change) FILTER (is_first) AS opening,
        sum(sold) AS sold,
        coalesce(sum(quantity_change) FILTER (event_type = 'stock_restocked'), 0) AS restocked,
        coalesce(sum(quantity_change) FILTER (event_type = 'stock_adjusted'), 0) AS adjusted,
        last(quantity_after ORDER BY event_time, source_offset, event_id) AS closing,
        coalesce(sum(date_diff('microsecond', event_time, until)) FILTER (in_stock), 0)
            + coalesce(sum(date_diff('microsecond', date::TIMESTAMP, event_time)) FILTER (in_stock_before), 0)
            AS in_stock_microseconds,
        coalesce(sum(shop_sold_until) FILTER (in_stock), 0) + coalesce(sum(shop_sold) FILTER (in_stock_before), 0) AS shop_sold_in_stock,
        seconds_between(date::TIMESTAMP, any_value(observed_until)) AS observed_seconds
    FROM spans
    GROUP BY date, product_id
)
SELECT
    *,
    in_stock_microseconds // 1000000 AS in_stock_seconds,
    sold * 86400 / nullif(in_stock_microseconds // 1000000, 0) AS sold_per_day_in_stock
FROM days
