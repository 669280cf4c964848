WITH sums AS (
    SELECT
        event_time::DATE AS date,
        currency,
        method,
        count(*) FILTER (event_type = 'payment_succeeded') AS succeeded,
        count(*) FILTER (event_type = 'payment_failed') AS failed,
        count(*) FILTER (event_type = 'payment_succeeded' AND attempt >= 2) AS recovered,
        clamped(coalesce(sum(amount_cents) FILTER (event_type = 'payment_succeeded'), 0)) AS paid_cents,
        clamped(coalesce(sum(amount_cents) FILTER (event_type = 'payment_succeeded' AND attempt >= 2), 0)) AS recovered_cents,
        count(*) FILTER (event_type = 'payment_refunded') AS refunds,
        clamped(coalesce(sum(amount_cents) FILTER (event_type = 'payment_refunded'), 0)) AS refunds_cents
    FROM events.payments
    GROUP BY ALL
)
SELECT *, succeeded + failed AS attempts, failed / nullif(succeeded + failed, 0) AS failure_rate FROM sums
