-- Arithmetic of the definitions, and common table expressions of several queries. Days and hours are UTC.

-- A sum as stored in a table: saturated to 64 bits.
CREATE MACRO clamped(total) AS
    (CASE WHEN total > 9223372036854775807 THEN 9223372036854775807
          WHEN total < -9223372036854775808 THEN -9223372036854775808
          ELSE total END)::BIGINT;

-- The same for a number whose fraction is zero.
CREATE MACRO clamped_double(number) AS
    (CASE WHEN number >= 9223372036854775807::DOUBLE THEN 9223372036854775807
          WHEN number <= -9223372036854775808::DOUBLE THEN -9223372036854775808
          ELSE number::BIGINT END);

CREATE MACRO floor_div(dividend, divisor) AS (dividend - ((dividend % divisor) + divisor) % divisor) // divisor;

-- A quotient of integers, halves rounded up; null if the divisor is zero or null.
CREATE MACRO half_up(dividend, divisor) AS
    clamped(floor_div(2 * dividend::HUGEINT + divisor, 2 * nullif(divisor, 0)::HUGEINT));

-- The share of an amount for an item of this weight, after items of weight `before`, of the total `whole`.
CREATE MACRO part(amount, before, weight, whole) AS
    amount::HUGEINT * (before + weight) // whole - amount::HUGEINT * before // whole;

CREATE MACRO seconds_between(earlier, later) AS date_diff('microsecond', earlier, later) // 1000000;

-- Population standard deviation of n numbers, from their sum and their sum of squares.
CREATE MACRO deviation_of(n, total, squares) AS sqrt(greatest(n * squares - total * total, 0)) / nullif(n, 0);

CREATE VIEW placed AS
SELECT *, event_time::DATE AS date FROM events.orders WHERE event_type = 'order_placed';

-- Orders placed by category, and where each category's share begins: by value, or by units if no item has a value.
CREATE VIEW order_categories AS
WITH lines AS (
    SELECT event_id, unnest(items) AS item FROM placed
),
categories AS (
    SELECT
        event_id,
        item.category,
        sum(item.quantity)::HUGEINT AS units,
        sum(item.quantity::HUGEINT * item.unit_price_cents) AS gmv
    FROM lines
    GROUP BY ALL
),
weighed AS (
    SELECT *, CASE WHEN sum(gmv) OVER (PARTITION BY event_id) = 0 THEN units ELSE gmv END AS weight FROM categories
)
SELECT
    *,
    sum(weight) OVER (PARTITION BY event_id ORDER BY category) - weight AS before,
    sum(weight) OVER (PARTITION BY event_id) AS whole
FROM weighed;

-- Payments with the first order placed under their order id, from 14 days before to the day after.
CREATE VIEW payments_of_orders AS
WITH paid AS (
    SELECT *, event_time::DATE AS date FROM events.payments
),
first_of_day AS (
    SELECT order_id, date, event_time, event_id, country FROM placed
    QUALIFY row_number() OVER (PARTITION BY order_id, date ORDER BY event_time, event_id) = 1
)
SELECT
    paid.* EXCLUDE order_id,
    first_of_day.event_id AS order_event_id,
    first_of_day.country,
    CASE WHEN event_type = 'payment_succeeded' THEN amount_cents ELSE 0 END AS paid_cents,
    CASE WHEN event_type = 'payment_refunded' THEN amount_cents ELSE 0 END AS refunds_cents
FROM paid
LEFT JOIN first_of_day ON first_of_day.order_id = paid.order_id AND first_of_day.date BETWEEN paid.date - 14 AND paid.date + 1
QUALIFY row_number() OVER (PARTITION BY paid.event_id ORDER BY first_of_day.event_time, first_of_day.event_id) = 1;

-- Addends of sales in three groupings; `part_of` names the grouping of a row.
CREATE VIEW sales AS
WITH happened AS (
    SELECT
        event_time,
        currency,
        country,
        1 AS orders,
        list_sum([item.quantity FOR item IN items]) AS units,
        list_sum([item.quantity::HUGEINT * item.unit_price_cents FOR item IN items]) AS gmv,
        discount_cents AS discount,
        NULL AS payment,
        0 AS paid,
        0 AS refunded
    FROM placed
    UNION ALL
    SELECT event_time, currency, coalesce(country, 'unknown'), 0, 0, 0, 0, event_type, paid_cents, refunds_cents
    FROM payments_of_orders
),
by_time AS (
    SELECT *, date_trunc('hour', event_time) AS hour, event_time::DATE AS date FROM happened
),
sums AS (
    SELECT
        CASE WHEN grouping(hour) = 0 THEN 'hour' WHEN grouping(country) = 0 THEN 'country' ELSE 'day' END AS part_of,
        hour,
        date,
        currency,
        country,
        sum(orders) AS orders,
        clamped(sum(units)) AS units,
        clamped(sum(gmv)) AS gmv_cents,
        clamped(sum(discount)) AS discount_cents,
        count(*) FILTER (payment = 'payment_succeeded') AS payments_succeeded,
        count(*) FILTER (payment = 'payment_failed') AS payments_failed,
        clamped(sum(paid)) AS paid_cents,
        count(*) FILTER (payment = 'payment_refunded') AS refunds,
        clamped(sum(refunded)) AS refunds_cents,
        clamped(sum(paid) - sum(refunded)) AS net_revenue_cents
    FROM by_time
    GROUP BY GROUPING SETS ((hour, date, currency), (date, currency), (date, currency, country))
)
SELECT *, half_up(gmv_cents::HUGEINT - discount_cents, orders) AS average_order_cents FROM sums;

-- Days with sales, and the time up to which they count.
CREATE VIEW sales_days AS
WITH days AS (
    SELECT date, max(hour) FILTER (hour + INTERVAL 1 HOUR <= coalesce(computed_at, getvariable('now'))) + INTERVAL 1 HOUR AS last_over
    FROM kpi.sales_hourly LEFT JOIN computed USING (date)
    GROUP BY date
)
SELECT
    date,
    CASE WHEN date + 1 IN (SELECT date FROM days) THEN (date + 1)::TIMESTAMP ELSE last_over END AS as_of
FROM days;
