/** The newest events of the topics, as they arrive. */
import { usePoll } from "./api-client";
import type { Activity, TopicEvent } from "./api-types";
import { Notices, Panel } from "./components";
import { money, number, timeOfDay } from "./format";
import { t, term } from "./i18n";

export const ACTIVITY_POLL_MS = 2_000;
const SHOWN_EVENTS = 14;

/** `rows` is the number of events shown, by which the panel is as high as its neighbour. */
export function LatestActivity({ rows = SHOWN_EVENTS }: { rows?: number }) {
  const { data, error } = usePoll<Activity>("activity", { limit: SHOWN_EVENTS }, ACTIVITY_POLL_MS);
  return (
    <Panel title={t("latest_activity")}>
      <Notices data={data} error={error} />
      <ol class="activity">
        {data?.events.slice(0, rows).map((event) => (
          <ActivityRow key={`${event.topic} ${event.partition} ${event.offset}`} event={event} />
        ))}
      </ol>
      {data && !data.events.length && !data.missing.length ? <p class="empty">{t("no_activity")}</p> : null}
    </Panel>
  );
}

function ActivityRow({ event }: { event: TopicEvent }) {
  // Of a payment, `who` is the payment method.
  const who = event.who && event.topic === "payments" ? term("payment_method", event.who) : event.who;
  const value =
    event.cents !== null
      ? money(event.cents, event.currency)
      : event.pieces !== null
        ? number(event.pieces)
        : "";
  return (
    <li title={`${event.topic} ${event.partition}/${event.offset}`}>
      <time dateTime={event.time}>{timeOfDay(event.time)}</time>
      <span class={`dot ${event.topic}`} aria-hidden="true" />
      <span class="event-text">
        {event.event_type ? term("event", event.event_type) : t("invalid_event")}{" "}
        <span class="secondary-text">{who || event.subject || ""}</span>
      </span>
      <span class="event-value">{value}</span>
    </li>
  );
}
