WITH members AS (
    SELECT customer_id, date_trunc('month', first_order_at)::DATE AS cohort FROM kpi.customer_orders
),
sizes AS (
    SELECT cohort, count(*) AS cohort_size FROM members GROUP BY cohort
),
customer_months AS (
    SELECT DISTINCT date_trunc('month', date)::DATE AS date, customer_id FROM placed
),
counts AS (
    SELECT date, cohort, count(*) AS customers FROM customer_months JOIN members USING (customer_id) GROUP BY ALL
)
SELECT *, date_diff('month', cohort, date) AS months_since, customers / cohort_size AS retention
FROM counts JOIN sizes USING (cohort)
