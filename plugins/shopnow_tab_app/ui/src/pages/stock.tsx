import { useEffect, useState } from "preact/hooks";
import { type Act, type Alert, type Message, type Shelf, type Silence, type Stock, usePoll } from "../api";
import type { Shown } from "../main";
import { AirflowLink, AsOf, Badge, Bar, Csv, Notices, Panel, Pdf, Table, Tabs } from "../parts";
import { money, number, t, when } from "../settings";
import { ActDialog, Acts, type Action, called, pending, type Wanted } from "./acting";

export function StockPage({ mayAct }: Shown) {
  const [only, setOnly] = useState("all");
  const [wanted, setWanted] = useState<Wanted | null>(null);
  const [taken, setTaken] = useState<Act[]>([]);
  const { data, error } = usePoll<Stock>("stock", {}, taken.some(pending) ? 1_000 : 5_000);
  // What was asked for here is shown at once, and as the answer has it as soon as it does.
  useEffect(() => setTaken((before) => before.map((act) => data?.acts.find((each) => each.run.run_id === act.run.run_id) ?? act)), [data]);
  const acts = [...taken.filter((act) => !data?.acts.some((each) => each.run.run_id === act.run.run_id)), ...(data?.acts ?? [])];
  const beingDone = (alert: Alert) => acts.some((act) => pending(act) && [alert.fingerprint, alert.rule].includes(act.alert));
  const silence = (alert: Alert) => data?.silences.filter((each) => [alert.fingerprint, alert.rule].includes(each.target)).at(-1);
  const low = (row: Shelf) => row.quantity === 0 || !!row.below_reorder_point;
  const shelves = (data?.shelves ?? []).filter((row) => only === "all" || (only === "out" ? row.quantity === 0 : low(row)));
  const lost = Object.entries(data?.lost_cents ?? {});
  return (
    <>
      <Notices answer={data} error={error} />
      <div class="grid">
        <Panel title={`${t("alerts")} (${number(data?.alerts.length ?? 0)})`} size="wide" tools={<><AirflowLink to="/required_actions" button>{t("approvals")}</AirflowLink><Csv table="alerts" /></>}>
          <Table caption={t("alerts")} rows={data?.alerts ?? []} id={(row: Alert) => row.fingerprint} empty={t("no_alerts")} columns={[
            { name: "severity", cell: (row) => <Badge of={row.severity} /> },
            { name: "title", title: t("alert"), text: true, cell: (row) => (
              <>
                <span title={row.rule}>{called(row)}</span>
                <div class="quiet-text">{[row.facts, row.todo].filter(Boolean).join(" · ")}</div>
                <Buttons alert={row} disabled={!mayAct || beingDone(row)} want={setWanted} />
              </>
            ) },
            { name: "state", cell: (row) => <State alert={row} silence={silence(row)} beingDone={beingDone(row)} /> },
            { name: "since", cell: (row) => when(row.since) },
          ]} />
          <Acts acts={acts} />
          {data?.silences.length ? (
            <Table caption={t("silences")} rows={data.silences} id={(row: Silence) => row.target} columns={[
              { name: "target", cell: (row) => <code>{row.target}</code> },
              { name: "until", cell: (row) => when(row.until) },
              { name: "by", cell: (row) => <span title={row.by ?? undefined}>{who(row.by)}</span> },
              { name: "reason", text: true, cell: (row) => row.reason ?? "" },
            ]} />
          ) : null}
          <p class="quiet-text">{t("resolved_count", { count: number(data?.resolved ?? 0) })} {mayAct ? "" : t("may_not_act")}</p>
        </Panel>
        <Panel title={t("messages")}>
          <ul class="messages">
            {data?.messages.slice(0, 12).map((row: Message) => (
              <li key={row.dedup_key + row.channel}>
                <Badge of={row.state} /> <span class="quiet-text">{when(row.at)} · {row.channel}</span>
                <div>{row.about.slice(0, 4).join(", ")}{row.about.length > 4 ? ` +${row.about.length - 4}` : ""}</div>
              </li>
            ))}
          </ul>
          {data && !data.messages.length ? <p class="empty">{t("no_messages")}</p> : null}
        </Panel>
        <Panel title={t("stock")} size="full" tools={<><AsOf answer={data} /><Csv table="stock_cover" /><Pdf page="stock" /></>}>
          <div class="filters">
            <Tabs label={t("stock")} value={only} set={setOnly} options={[["all", t("all")], ["low", t("low")], ["out", t("out")]]} />
            {lost.map(([currency, cents]) => <span key={currency} class="quiet-text">{t("lost_sales", { amount: money(cents, currency) })}</span>)}
          </div>
          <Table caption={t("stock")} rows={shelves} id={(row) => row.product_id} columns={[
            { name: "product_name", cell: (row) => row.product_name },
            { name: "quantity", right: true, cell: (row) => number(row.quantity) },
            { name: "days_of_cover", right: true, cell: (row) => number(row.days_of_cover, 1) },
            { name: "cover", title: "", cell: (row) => row.days_of_cover === null ? null : <Bar part={row.days_of_cover / 30} tone={low(row) ? "bad" : "good"} /> },
            { name: "reorder_point", right: true, cell: (row) => number(row.reorder_point) },
            { name: "demand_per_day", right: true, cell: (row) => number(row.demand_per_day, 1) },
            { name: "status", cell: (row) => row.quantity === 0 ? <Badge of="out" /> : low(row) ? <Badge of="low" /> : <Badge of="ok" text={t("enough")} /> },
          ]} />
        </Panel>
      </div>
      {wanted ? <ActDialog key={`${wanted.action} ${wanted.alert.fingerprint}`} wanted={wanted} taken={(act) => setTaken((before) => [act, ...before])} close={() => setWanted(null)} /> : null}
    </>
  );
}

/** The person, without the run that did it for them. */
const who = (by: string | null): string => by?.split(", ")[0] ?? "–";

function State({ alert, silence, beingDone }: { alert: Alert; silence: Silence | undefined; beingDone: boolean }) {
  return (
    <>
      <span title={alert.by ? `${alert.by}: ${alert.reason ?? ""}` : undefined}><Badge of={alert.state} /></span>
      {silence ? <> <span title={`${silence.by ?? ""}: ${silence.reason ?? ""}`}><Badge of="info" text={t("silent_until", { time: when(silence.until) })} /></span></> : null}
      {beingDone ? <> <Badge of="running" text={t("act_running")} /></> : null}
    </>
  );
}

function Buttons({ alert, disabled, want }: { alert: Alert; disabled: boolean; want: (wanted: Wanted) => void }) {
  const actions: Action[] = alert.state === "firing" ? ["acknowledge", "silence"] : ["silence"];
  return (
    <span class="tools">
      {actions.map((action) => <button key={action} disabled={disabled} aria-label={`${t(action)}: ${alert.fingerprint}`} onClick={() => want({ action, alert })}>{t(action)}</button>)}
    </span>
  );
}
