WITH changes AS (
    SELECT
        *,
        event_time::DATE AS date,
        row_number() OVER of_day = 1 AS is_first,
        lead(event_time) OVER of_day AS next_at,
        max(event_time) OVER (PARTITION BY event_time::DATE) AS observed_until
    FROM events.stock
    WINDOW of_day AS (PARTITION BY product_id, event_time::DATE ORDER BY event_time, source_offset, event_id)
),
spans AS (
    SELECT
        *,
        CASE WHEN is_first AND quantity_after - quantity_change > 0 THEN date_diff('microsecond', date::TIMESTAMP, event_time) ELSE 0 END
        + CASE WHEN quantity_after > 0 THEN date_diff('microsecond', event_time, coalesce(next_at, observed_until)) ELSE 0 END
            AS in_stock_microseconds
    FROM changes
),
days AS (
    SELECT
        date,
        product_id,
        last(product_name ORDER BY event_time, source_offset, event_id) AS product_name,
        any_value(quantity_after - quantity_change) FILTER (is_first) AS opening,
        coalesce(sum(-quantity_change) FILTER (event_type = 'stock_sold'), 0) AS sold,
        coalesce(sum(quantity_change) FILTER (event_type = 'stock_restocked'), 0) AS restocked,
        coalesce(sum(quantity_change) FILTER (event_type = 'stock_adjusted'), 0) AS adjusted,
        last(quantity_after ORDER BY event_time, source_offset, event_id) AS closing,
        (sum(in_stock_microseconds) // 1000000)::BIGINT AS in_stock_seconds,
        seconds_between(date::TIMESTAMP, any_value(observed_until)) AS observed_seconds
    FROM spans
    GROUP BY date, product_id
)
SELECT *, sold * 86400 / nullif(in_stock_seconds, 0) AS sold_per_day_in_stock FROM days
