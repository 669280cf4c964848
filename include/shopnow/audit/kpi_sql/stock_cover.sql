WITH today AS (
    SELECT max(date) AS as_of FROM kpi.stock_daily WHERE date <= getvariable('now')::DATE
),
observed AS (
    SELECT date, any_value(observed_seconds) AS observed_seconds
    FROM kpi.stock_daily, today
    WHERE date BETWEEN as_of - 27 AND as_of
    GROUP BY date
),
-- The products on each of those days, from their latest row up to then.
product_days AS (
    SELECT
        stock_position.product_id,
        CASE WHEN stock_daily.date = observed.date THEN sold ELSE 0 END AS sold,
        CASE WHEN stock_daily.date = observed.date THEN in_stock_seconds
             WHEN closing > 0 THEN observed.observed_seconds
             ELSE 0 END AS in_stock_seconds
    FROM kpi.stock_position CROSS JOIN observed
    ASOF JOIN kpi.stock_daily ON stock_daily.product_id = stock_position.product_id AND stock_daily.date <= observed.date
),
demand AS (
    SELECT
        product_id,
        sum(sold) * 86400 / nullif(sum(in_stock_seconds), 0) AS demand_per_day,
        deviation_of(
            count(*) FILTER (in_stock_seconds > 0),
            sum(sold) FILTER (in_stock_seconds > 0),
            sum(sold::HUGEINT * sold) FILTER (in_stock_seconds > 0)
        ) AS demand_sd
    FROM product_days
    GROUP BY product_id
),
lead_times AS (
    SELECT
        product_id,
        sum(duration_seconds) / count(*) / 86400 AS mean_days,
        deviation_of(count(*), sum(duration_seconds), sum(duration_seconds::HUGEINT * duration_seconds)) / 86400 AS sd_days
    FROM kpi.stock_outs, today
    WHERE ended_at IS NOT NULL AND started_at::DATE BETWEEN as_of - 27 AND as_of
    GROUP BY product_id
),
products AS (
    SELECT
        product_id,
        product_name,
        as_of,
        quantity,
        demand_per_day,
        demand_sd,
        greatest(mean_days, getvariable('lead_time_days')) AS lead_time_days,
        coalesce(sd_days, 0) AS lead_time_sd_days
    FROM kpi.stock_position CROSS JOIN today
    LEFT JOIN demand USING (product_id)
    LEFT JOIN lead_times USING (product_id)
),
buffered AS (
    SELECT
        *,
        getvariable('z') * sqrt(lead_time_days * demand_sd * demand_sd + demand_per_day * demand_per_day * lead_time_sd_days * lead_time_sd_days)
            AS buffer
    FROM products
),
reordered AS (
    SELECT
        * EXCLUDE buffer,
        clamped_double(ceil(round(buffer, 6))) AS safety_stock,
        clamped_double(ceil(round(demand_per_day * lead_time_days + buffer, 6))) AS reorder_point
    FROM buffered
)
SELECT
    *,
    CASE WHEN demand_per_day > 0 THEN quantity / demand_per_day END AS days_of_cover,
    quantity <= reorder_point AS below_reorder_point
FROM reordered
