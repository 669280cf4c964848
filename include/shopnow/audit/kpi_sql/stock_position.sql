SELECT
    product_id,
    last(product_name ORDER BY event_time, source_offset, event_id) AS product_name,
    last(quantity_after ORDER BY event_time, source_offset, event_id) AS quantity,
    clamped(coalesce(sum(-quantity_change) FILTER (event_type = 'stock_sold'), 0)) AS sold_units,
    max(event_time) AS last_event_time,
    last(source_offset ORDER BY event_time, source_offset, event_id) AS last_offset,
    last(quantity_after ORDER BY event_time, source_offset, event_id) <= 0 AS stock_out
FROM events.stock
GROUP BY product_id
