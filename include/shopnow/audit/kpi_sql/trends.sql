WITH figures AS (
    UNPIVOT (SELECT hour, date, currency, orders, units, gmv_cents, payments_failed, refunds_cents, net_revenue_cents FROM kpi.sales_hourly)
    ON orders, units, gmv_cents, payments_failed, refunds_cents, net_revenue_cents
    INTO NAME figure VALUE value
),
days AS (
    SELECT DISTINCT date, currency, figure, as_of FROM figures JOIN sales_days USING (date) WHERE as_of IS NOT NULL
),
sums AS (
    SELECT
        days.*,
        clamped(coalesce(sum(value) FILTER (hour >= as_of - INTERVAL 168 HOUR), 0)) AS this_week,
        clamped(coalesce(sum(value) FILTER (hour < as_of - INTERVAL 168 HOUR), 0)) AS week_before
    FROM days LEFT JOIN figures
        ON figures.currency = days.currency AND figures.figure = days.figure
        AND hour >= as_of - INTERVAL 336 HOUR AND hour < as_of
    GROUP BY ALL
),
-- True if the shop already had sales when the previous week began.
complete AS (
    SELECT date, EXISTS (
        FROM kpi.sales_hourly WHERE hour >= as_of - INTERVAL 360 HOUR AND hour < as_of - INTERVAL 312 HOUR
    ) AS complete
    FROM sales_days
)
SELECT
    * EXCLUDE complete,
    CASE WHEN complete THEN (this_week::HUGEINT - week_before) / nullif(abs(week_before::HUGEINT), 0) END AS change
FROM sums JOIN complete USING (date)
