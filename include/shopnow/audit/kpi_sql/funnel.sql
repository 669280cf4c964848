WITH session_days AS (
    SELECT session_id, event_time::DATE AS date, min(event_time) AS began FROM events.views GROUP BY ALL
),
viewed AS (
    SELECT today.* FROM session_days AS today
    ANTI JOIN session_days AS before ON before.session_id = today.session_id AND before.date = today.date - 1
),
carted AS (
    SELECT viewed.session_id, viewed.date, min(carts.event_time) AS carted_at
    FROM viewed JOIN events.carts
        ON carts.session_id = viewed.session_id
        AND carts.event_type = 'cart_item_added'
        AND carts.event_time >= viewed.began
        AND carts.event_time::DATE <= viewed.date + 1
    GROUP BY ALL
),
ordered AS (
    SELECT carted.session_id, carted.date, placed.order_id, placed.event_time AS ordered_at
    FROM carted JOIN placed
        ON placed.session_id = carted.session_id
        AND placed.event_time >= carted.carted_at
        AND placed.date <= carted.date + 1
    QUALIFY row_number() OVER (PARTITION BY carted.session_id, carted.date ORDER BY placed.event_time, placed.event_id) = 1
),
paid AS (
    SELECT ordered.session_id, ordered.date, ordered.order_id, min(payments.event_time) AS paid_at
    FROM ordered JOIN events.payments
        ON payments.order_id = ordered.order_id
        AND payments.event_type = 'payment_succeeded'
        AND payments.event_time >= ordered.ordered_at
        AND payments.event_time::DATE <= ordered.date + 14
    GROUP BY ALL
),
delivered AS (
    SELECT DISTINCT paid.session_id, paid.date
    FROM paid JOIN events.deliveries
        ON deliveries.order_id = paid.order_id
        AND deliveries.event_type = 'delivery_delivered'
        AND deliveries.event_time >= paid.paid_at
        AND deliveries.event_time::DATE <= paid.date + 14
),
counts AS (
    SELECT
        date,
        count(*) AS viewed,
        count(carted.carted_at) AS carted,
        count(ordered.ordered_at) AS ordered,
        count(paid.paid_at) AS paid,
        count(delivered.session_id) AS delivered
    FROM viewed
    LEFT JOIN carted USING (session_id, date)
    LEFT JOIN ordered USING (session_id, date)
    LEFT JOIN paid USING (session_id, date)
    LEFT JOIN delivered ON delivered.session_id = viewed.session_id AND delivered.date = viewed.date
    GROUP BY date
)
SELECT
    *,
    carted - ordered AS carts_abandoned,
    ordered - paid AS checkouts_abandoned,
    (carted - ordered) / nullif(carted, 0) AS cart_abandonment,
    (ordered - paid) / nullif(ordered, 0) AS checkout_abandonment,
    paid / viewed AS conversion
FROM counts
