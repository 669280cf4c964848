-- Per day: the deliveries of that day and the 14 before, by the first event of each kind in those days.
WITH dated AS (
    SELECT *, event_time::DATE AS date FROM events.deliveries
),
days AS (
    SELECT date, max(event_time) AS as_of FROM dated GROUP BY date
),
first_of_day AS (
    SELECT * FROM dated
    QUALIFY row_number() OVER (PARTITION BY delivery_id, event_type, date ORDER BY event_time, event_id) = 1
),
latest_of_day AS (
    SELECT * FROM dated
    QUALIFY row_number() OVER (PARTITION BY delivery_id, date ORDER BY event_time DESC, event_id DESC) = 1
),
firsts AS (
    SELECT days.date, delivery_id, event_type, event_time, promised_at
    FROM days JOIN first_of_day ON first_of_day.date BETWEEN days.date - 14 AND days.date
    QUALIFY row_number() OVER (PARTITION BY days.date, delivery_id, event_type ORDER BY event_time) = 1
),
latest AS (
    SELECT days.date, delivery_id, promised_at
    FROM days JOIN latest_of_day ON latest_of_day.date BETWEEN days.date - 14 AND days.date
    QUALIFY row_number() OVER (PARTITION BY days.date, delivery_id ORDER BY event_time DESC) = 1
),
by_kind AS (
    SELECT
        date,
        delivery_id,
        any_value(event_time) FILTER (event_type = 'delivery_created') AS created_at,
        any_value(event_time) FILTER (event_type = 'delivery_in_transit') AS shipped_at,
        any_value(event_time) FILTER (event_type = 'delivery_delivered') AS delivered_at,
        any_value(promised_at) FILTER (event_type = 'delivery_delivered') AS promised_when_delivered
    FROM firsts
    GROUP BY ALL
),
parcels AS (
    SELECT
        *,
        delivered_at::DATE = date AS delivered_today,
        created_at IS NOT NULL AND shipped_at IS NULL AND delivered_at IS NULL AS pending,
        shipped_at IS NOT NULL AND delivered_at IS NULL AS in_transit
    FROM by_kind JOIN latest USING (date, delivery_id) JOIN days USING (date)
),
counts AS (
    SELECT
        date,
        as_of,
        count(*) FILTER (created_at::DATE = date) AS created,
        count(*) FILTER (shipped_at::DATE = date) AS shipped,
        count(*) FILTER (delivered_today) AS delivered,
        count(*) FILTER (delivered_today AND delivered_at <= promised_when_delivered) AS on_time,
        count(*) FILTER (delivered_today AND created_at IS NOT NULL) AS timed,
        sum(date_diff('microsecond', created_at, delivered_at)) FILTER (delivered_today) AS microseconds,
        count(*) FILTER (pending) AS pending,
        count(*) FILTER (in_transit) AS in_transit,
        count(*) FILTER ((pending OR in_transit) AND promised_at < as_of) AS overdue
    FROM parcels
    GROUP BY ALL
)
SELECT
    * EXCLUDE (timed, microseconds),
    on_time / nullif(delivered, 0) AS on_time_rate,
    microseconds / 1000 / nullif(timed, 0) / 86400000 AS days_to_deliver
FROM counts
