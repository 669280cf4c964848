SELECT customer_id, min(event_time) AS first_order_at, max(event_time) AS last_order_at, count(*) AS orders
FROM placed
GROUP BY customer_id
