WITH happened AS (
    SELECT
        date,
        currency,
        category,
        1 AS orders,
        units,
        gmv,
        part(discount_cents, before, weight, whole) AS discount,
        0::HUGEINT AS paid,
        0::HUGEINT AS refunded
    FROM placed JOIN order_categories USING (event_id)
    UNION ALL
    SELECT
        date,
        currency,
        coalesce(category, 'unknown'),
        0, 0, 0, 0,
        coalesce(part(paid_cents, before, weight, whole), paid_cents),
        coalesce(part(refunds_cents, before, weight, whole), refunds_cents)
    FROM payments_of_orders LEFT JOIN order_categories ON order_categories.event_id = order_event_id
),
sums AS (
    SELECT
        date,
        currency,
        category,
        sum(orders) AS orders,
        clamped(sum(units)) AS units,
        clamped(sum(gmv)) AS gmv_cents,
        clamped(sum(discount)) AS discount_cents,
        clamped(sum(paid)) AS paid_cents,
        clamped(sum(refunded)) AS refunds_cents,
        clamped(sum(paid) - sum(refunded)) AS net_revenue_cents
    FROM happened
    GROUP BY ALL
)
SELECT *, half_up(gmv_cents::HUGEINT - discount_cents, orders) AS average_order_cents FROM sums
