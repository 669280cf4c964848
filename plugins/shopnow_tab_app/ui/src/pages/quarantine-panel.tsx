/** Quarantined records by reason, with examples. */
import { useState } from "preact/hooks";
import type { QuarantineReason } from "../api-types";
import { AirflowLink, Panel } from "../components";
import { dateTime, number } from "../format";
import { t } from "../i18n";
import { EmptyText } from "../table";

export function QuarantinePanel({ reasons }: { reasons: QuarantineReason[] }) {
  const [expanded, setExpanded] = useState<string | null>(null);
  const replay = (
    <AirflowLink asButton to="/dags/replay_quarantine">
      {t("replay")}
    </AirflowLink>
  );
  return (
    <Panel title={t("quarantine")} size="wide" tools={replay}>
      {reasons.length ? null : <EmptyText text={t("no_quarantine")} />}
      <ul class="reasons">
        {reasons.map((reason) => {
          const key = `${reason.topic} ${reason.reason}`;
          const isExpanded = expanded === key;
          return (
            <li key={key}>
              <button
                class="reason"
                aria-expanded={isExpanded}
                onClick={() => setExpanded(isExpanded ? null : key)}
              >
                <span>{reason.reason}</span>
                <span class="secondary-text">{reason.topic}</span>
                <strong>{number(reason.records)}</strong>
              </button>
              {isExpanded ? <QuarantineExamples reason={reason} /> : null}
            </li>
          );
        })}
      </ul>
    </Panel>
  );
}

const QuarantineExamples = ({ reason: { topic, examples } }: { reason: QuarantineReason }) => (
  <>
    {examples.map(({ partition, offset, timestamp, problem, value }) => (
      <figure key={`${partition}/${offset}`}>
        <figcaption>
          {topic} {partition}/{offset} · {dateTime(timestamp)} · {problem}
        </figcaption>
        <pre tabIndex={0}>{value || "–"}</pre>
      </figure>
    ))}
  </>
);
