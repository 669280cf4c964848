WITH customer_days AS (
    SELECT DISTINCT date, customer_id FROM placed
),
counts AS (
    SELECT date, count(*) AS customers, count(*) FILTER (first_order_at::DATE = date) AS new
    FROM customer_days JOIN kpi.customer_orders USING (customer_id)
    GROUP BY date
)
SELECT *, customers - new AS returning, (customers - new) / customers AS repeat_rate FROM counts
