/** What pages are made of. */
import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import { address, type Answer, type Query } from "./api";
import { ago, number, t, time, when } from "./settings";

export function Panel(props: { title: string; size?: "wide" | "full"; tools?: ComponentChildren; children: ComponentChildren }) {
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

const TONES: Record<string, string> = {
  succeeded: "good", delivered: "good", paid: "good", success: "good", sent: "good", ok: "good",
  failed: "bad", critical: "bad", firing: "bad", out: "bad", dead: "bad", overdue: "bad",
  pending: "warn", placed: "warn", warning: "warn", queued: "warn", low: "warn", up_for_retry: "warn", claimed: "warn", unconfirmed: "warn",
  in_transit: "info", running: "info", refunded: "info", info: "info", acknowledged: "info",
};

export const Badge = ({ of, text }: { of: string; text?: string }) => <span class={`badge ${TONES[of] ?? "plain"}`}>{text ?? t(of)}</span>;

/** Says calmly what an answer had to do without. */
export function Notices({ answer, error }: { answer: Pick<Answer, "missing"> | null; error: string | null }) {
  const missing = answer?.missing ?? [];
  const absent = missing.filter((each) => each.why === "absent").map((each) => each.what);
  const unread = missing.some((each) => each.why === "unread");
  const said = [
    ...(error ? [t("no_answer", { error })] : []),
    ...missing.filter((each) => !["absent", "unread"].includes(each.why)).map((each) => `${t("trouble", { what: t(`what_${each.what}`), why: each.why })} ${each.as_of ? t("shown_of", { time: time(each.as_of), ago: ago(each.as_of) }) : t("shown_nothing")}`),
    ...(unread ? [t("reading")] : []),
    ...(absent.length ? [t("absent", { tables: absent.join(", ") })] : []),
  ];
  return <div role="status" class="notices">{said.map((text) => <p key={text}>{text}</p>)}</div>;
}

export interface Column<Row> {
  name: string;
  /** Not `name` in words. */
  title?: string;
  cell: (row: Row) => ComponentChildren;
  right?: boolean;
  /** Sentences, which may have more than a line. */
  text?: boolean;
  sort?: boolean;
  hint?: string;
}

export function Table<Row>(props: {
  caption: string; columns: Column<Row>[]; rows: Row[]; id: (row: Row) => string; sort?: Sort; onSort?: (sort: Sort) => void; empty?: string; low?: boolean;
}) {
  const { sort, onSort } = props;
  return (
    <div class={`scroll${props.low ? " low" : ""}`} tabIndex={0} role="region" aria-label={props.caption}>
      <table>
        <caption class="hidden">{props.caption}</caption>
        <thead>
          <tr>
            {props.columns.map((column) => {
              const title = column.title ?? t(column.name);
              const sorted = sort?.by === column.name ? (sort.descending ? "descending" : "ascending") : undefined;
              return (
                <th key={column.name} scope="col" class={column.right ? "right" : ""} aria-sort={sorted} title={column.hint}>
                  {onSort && column.sort !== false ? (
                    <button class="sort" onClick={() => onSort({ by: column.name, descending: sort?.by === column.name ? !sort.descending : true })}>
                      {title}
                      <span aria-hidden="true">{sorted ? (sort!.descending ? " ↓" : " ↑") : ""}</span>
                    </button>
                  ) : title}
                </th>
              );
            })}
          </tr>
        </thead>
        <tbody>
          {props.rows.map((row) => (
            <tr key={props.id(row)}>
              {props.columns.map((column) => <td key={column.name} class={column.right ? "right" : column.text ? "text" : ""}>{column.cell(row)}</td>)}
            </tr>
          ))}
        </tbody>
      </table>
      {props.rows.length ? null : <p class="empty">{props.empty ?? t("nothing")}</p>}
    </div>
  );
}

export interface Sort { by: string; descending: boolean }

export const PAGE_ROWS = 25;

export function Pager({ page, total, go }: { page: number; total: number; go: (page: number) => void }) {
  const last = Math.max(Math.ceil(total / PAGE_ROWS) - 1, 0);
  const from = total ? page * PAGE_ROWS + 1 : 0;
  return (
    <div class="pager">
      <span>{t("rows_of", { from: number(from), to: number(Math.min((page + 1) * PAGE_ROWS, total)), total: number(total) })}</span>
      <button disabled={page <= 0} onClick={() => go(page - 1)} aria-label={t("page_before")}>‹</button>
      <button disabled={page >= last} onClick={() => go(page + 1)} aria-label={t("page_next")}>›</button>
    </div>
  );
}

/** What a person types, given on when they pause. */
export function Search({ value, set }: { value: string; set: (value: string) => void }) {
  const [text, setText] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => text !== value && set(text), 300);
    return () => clearTimeout(timer);
  }, [text]);
  return <input type="search" class="search" placeholder={t("search")} aria-label={t("search")} value={text} onInput={(event) => setText(event.currentTarget.value)} />;
}

export const Choice = ({ label, value, options, set }: { label: string; value: string; options: [string, string][]; set: (value: string) => void }) => (
  <label class="choice">
    <span>{label}</span>
    <select value={value} onChange={(event) => set(event.currentTarget.value)}>
      {options.map(([key, text]) => <option key={key} value={key}>{text}</option>)}
    </select>
  </label>
);

/** Buttons of which one is pressed. */
export const Tabs = ({ label, value, options, set }: { label: string; value: string; options: [string, string][]; set: (value: string) => void }) => (
  <div class="tabs" role="group" aria-label={label}>
    {options.map(([key, text]) => (
      <button key={key} aria-pressed={key === value} onClick={() => set(key)}>{text}</button>
    ))}
  </div>
);

export const Download = ({ path, query, name, text }: { path: string; query?: Query; name: string; text: string }) => (
  <a class="button quiet" href={address(path, query)} download={name}>{text}</a>
);

export const Csv = ({ table, query }: { table: string; query?: Query }) => (
  <Download path={`tables/${table}.csv`} query={query} name={`${table}.csv`} text="CSV" />
);

export const Pdf = ({ page, query }: { page: string; query?: Query }) => (
  <Download path={`pages/${page}.pdf`} query={{ ...query, language: document.documentElement.lang }} name={`shopnow-${page}.pdf`} text="PDF" />
);

/** Airflow's own pages stand around ours: its router is told to show another one. A frame may not load it itself. */
export function open(path: string): void {
  const outside = window.parent;
  if (outside === window) location.assign(path);
  else {
    outside.history.pushState(null, "", path);
    outside.dispatchEvent(new PopStateEvent("popstate", { state: null }));
  }
}

export const AirflowLink = ({ to, children, button }: { to: string; children: ComponentChildren; button?: boolean }) => (
  <a class={button ? "button" : ""} href={to} onClick={(event) => (event.preventDefault(), open(to))}>{children}</a>
);

export const AsOf = ({ answer }: { answer: Answer | null }) => (
  <span class="as-of">{answer?.as_of ? t("as_of", { time: when(answer.as_of, { timeStyle: "medium" }) }) : ""}</span>
);

export const Bar = ({ part, tone }: { part: number; tone?: string }) => (
  <span class="bar" aria-hidden="true"><span class={tone ?? ""} style={{ width: `${Math.round(Math.min(Math.max(part, 0), 1) * 100)}%` }} /></span>
);
