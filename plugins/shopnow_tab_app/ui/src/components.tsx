/** Components shared by the pages. */
import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import { airflowPath, navigateAirflow } from "./airflow-frame";
import { ApiError } from "./api-client";
import { apiUrl, type Query } from "./api-url";
import type { MissingSource, PageData } from "./api-types";
import { dateTime, timeAgo, timeOfDay } from "./format";
import { type Scope, t, term, translated } from "./i18n";

export function Panel(props: {
  title: string;
  size?: "wide" | "full";
  tools?: ComponentChildren;
  children: ComponentChildren;
}) {
  return (
    <section class={`panel ${props.size ?? ""}`}>
      <div class="panel-head">
        <h2>{props.title}</h2>
        <div class="tools">{props.tools}</div>
      </div>
      {props.children}
    </section>
  );
}

export type Tone = "good" | "bad" | "warn" | "info" | "plain";

/** Colors of status codes. */
const TONES: Record<string, Tone> = {
  succeeded: "good",
  delivered: "good",
  paid: "good",
  success: "good",
  sent: "good",
  ok: "good",
  failed: "bad",
  critical: "bad",
  firing: "bad",
  out: "bad",
  dead: "bad",
  pending: "warn",
  placed: "warn",
  warning: "warn",
  queued: "warn",
  low: "warn",
  up_for_retry: "warn",
  claimed: "warn",
  unconfirmed: "warn",
  in_transit: "info",
  running: "info",
  refunded: "info",
  info: "info",
  acknowledged: "info",
};

export const Badge = ({ tone, children }: { tone: Tone; children: ComponentChildren }) => (
  <span class={`badge ${tone}`}>{children}</span>
);

/** A code of the API as a badge, in the color of that code. */
export const StatusBadge = ({ scope, code }: { scope: Scope; code: string }) => (
  <Badge tone={TONES[code] ?? "plain"}>{term(scope, code)}</Badge>
);

/** Marks a row of records that the lake does not have yet. */
export const ProvisionalBadge = ({ row }: { row: { provisional: boolean } }) =>
  row.provisional ? (
    <span class="badge provisional" title={t("provisional_hint")}>
      {t("provisional")}
    </span>
  ) : null;

/** Names the sources that a response does without, and the age of the data shown instead. */
export function Notices({ data, error }: { data: Pick<PageData, "missing"> | null; error: Error | null }) {
  const missing = data?.missing ?? [];
  const absent = missing.filter((source) => source.why === "absent").map((source) => source.what);
  const unavailable = missing.filter((source) => !["absent", "unread"].includes(source.why));
  const notices = [
    ...(error ? [errorText(error)] : []),
    ...unavailable.map(unavailableText),
    ...(missing.some((source) => source.why === "unread") ? [t("loading")] : []),
    ...(absent.length ? [t("tables_absent", { tables: absent.join(", ") })] : []),
  ];
  return (
    <div role="status" class="notices">
      {notices.map((text) => (
        <p key={text}>{text}</p>
      ))}
    </div>
  );
}

/** The reason alone for an invalid request; any other error also tells that the page retries. */
export const errorText = (error: Error): string =>
  error instanceof ApiError && error.isClientError
    ? translated("api_error", error.message)
    : t("request_failed", { error: error.message });

function unavailableText(source: MissingSource): string {
  const reason = t("source_unavailable", { source: term("source", source.what), error: source.why });
  const shown = source.as_of
    ? t("showing_stale", { time: timeOfDay(source.as_of), ago: timeAgo(source.as_of) })
    : t("showing_nothing");
  return `${reason} ${shown}`;
}

const SEARCH_DELAY_MS = 300;

/** A search field; reports its value once typing pauses. */
export function Search({ value, onChange }: { value: string; onChange: (value: string) => void }) {
  const [text, setText] = useState(value);
  useEffect(() => setText(value), [value]);
  useEffect(() => {
    const timer = setTimeout(() => text !== value && onChange(text), SEARCH_DELAY_MS);
    return () => clearTimeout(timer);
  }, [text]);
  return (
    <input
      type="search"
      class="search"
      placeholder={t("search")}
      aria-label={t("search")}
      value={text}
      onInput={(event) => setText(event.currentTarget.value)}
    />
  );
}

/** A value with its label. */
export type Option = [value: string, label: string];

interface ChoiceProps {
  label: string;
  value: string;
  options: Option[];
  onChange: (value: string) => void;
}

export const Select = ({ label, value, options, onChange }: ChoiceProps) => (
  <label class="labelled-control">
    <span>{label}</span>
    <select value={value} onChange={(event) => onChange(event.currentTarget.value)}>
      {options.map(([option, text]) => (
        <option key={option} value={option}>
          {text}
        </option>
      ))}
    </select>
  </label>
);

/** A group of buttons with exactly one pressed. */
export const ButtonGroup = ({ label, value, options, onChange }: ChoiceProps) => (
  <div class="button-group" role="group" aria-label={label}>
    {options.map(([option, text]) => (
      <button key={option} aria-pressed={option === value} onClick={() => onChange(option)}>
        {text}
      </button>
    ))}
  </div>
);

interface DownloadProps {
  path: string;
  query?: Query;
  /** By default the name that the server gives it. */
  fileName?: string;
  label: string;
}

export const Download = ({ path, query, fileName, label }: DownloadProps) => (
  <a class="button small" href={apiUrl(path, query)} download={fileName ?? ""}>
    {label}
  </a>
);

/** The rows of a table on all its pages, for the spreadsheet of the language. */
export const CsvDownload = ({ table, query }: { table: string; query?: Query }) => (
  <Download path={`tables/${table}.csv`} query={{ ...query, language: document.documentElement.lang }} label="CSV" />
);

export const PdfDownload = ({ page, query }: { page: string; query?: Query }) => (
  <Download
    path={`pages/${page}.pdf`}
    query={{ ...query, language: document.documentElement.lang }}
    label="PDF"
  />
);

interface AirflowLinkProps {
  /** Path of the page within Airflow. */
  to: string;
  children: ComponentChildren;
  asButton?: boolean;
}

export const AirflowLink = ({ to, children, asButton }: AirflowLinkProps) => (
  <a
    class={asButton ? "button" : ""}
    href={airflowPath(to)}
    onClick={(event) => {
      event.preventDefault();
      navigateAirflow(airflowPath(to));
    }}
  >
    {children}
  </a>
);

export const runPath = (run: { dag_id: string; run_id: string }): string =>
  `/dags/${run.dag_id}/runs/${encodeURIComponent(run.run_id)}`;

export const DataAsOf = ({ data }: { data: PageData | null }) => (
  <span class="secondary-text">
    {data?.as_of ? t("data_as_of", { time: dateTime(data.as_of, { timeStyle: "medium" }) }) : ""}
  </span>
);

/** A bar filled to `fraction`, from 0 to 1. */
export const ProgressBar = ({ fraction, tone }: { fraction: number; tone?: Tone }) => {
  const percent = Math.round(Math.min(Math.max(fraction, 0), 1) * 100);
  return (
    <span class="bar" aria-hidden="true">
      <span class={tone ?? ""} style={{ width: `${percent}%` }} />
    </span>
  );
};
