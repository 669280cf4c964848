WITH currency_days AS (
    SELECT DISTINCT date, currency FROM kpi.sales_hourly
),
currencies AS (
    SELECT DISTINCT currency FROM kpi.sales_hourly
),
figures AS (
    UNPIVOT (SELECT hour, currency, orders, payments_failed, net_revenue_cents FROM kpi.sales_hourly)
    ON orders, payments_failed, net_revenue_cents
    INTO NAME figure VALUE value
),
figure_names AS (
    SELECT unnest(['orders', 'payments_failed', 'net_revenue_cents']) AS figure
),
hours AS (
    SELECT date, currency, figure, date::TIMESTAMP + hour_of_day * INTERVAL 1 HOUR AS hour
    FROM sales_days, currencies, figure_names, range(24) AS of_day(hour_of_day)
    WHERE date::TIMESTAMP + hour_of_day * INTERVAL 1 HOUR < as_of
),
usual AS (
    SELECT hours.*, coalesce(value, 0) AS usual_value
    FROM hours CROSS JOIN range(1, 9) AS before(weeks_ago)
    JOIN currency_days ON currency_days.date = hours.date - 7 * weeks_ago::INTEGER AND currency_days.currency = hours.currency
    LEFT JOIN figures
        ON figures.hour = hours.hour - weeks_ago * INTERVAL 7 DAY
        AND figures.currency = hours.currency
        AND figures.figure = hours.figure
),
expected AS (
    SELECT date, currency, figure, hour, count(*) AS weeks, median(usual_value) AS expected, list(usual_value) AS usual_values
    FROM usual
    GROUP BY ALL
    HAVING count(*) >= 3
),
compared AS (
    SELECT
        expected.* EXCLUDE usual_values,
        coalesce(value, 0) AS value,
        list_median([abs(each - expected) FOR each IN usual_values]) AS deviation
    FROM expected LEFT JOIN figures USING (hour, currency, figure)
),
scored AS (
    SELECT
        *,
        (value - expected) / greatest(1.4826 * deviation, abs(expected) / 10, CASE WHEN figure LIKE '%_cents' THEN 100 ELSE 1 END) AS score
    FROM compared
)
SELECT *, abs(score) > 4 AS anomaly FROM scored
