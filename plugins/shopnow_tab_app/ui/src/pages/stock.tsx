import { useState } from "preact/hooks";
import { type Alert, type Message, type Shelf, type Stock, usePoll } from "../api";
import { AirflowLink, AsOf, Badge, Bar, Csv, Notices, Panel, Pdf, Table, Tabs } from "../parts";
import { money, number, t, when } from "../settings";

export function StockPage() {
  const [only, setOnly] = useState("all");
  const { data, error } = usePoll<Stock>("stock");
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
            { name: "title", title: t("alert"), cell: (row) => <span title={row.rule}>{row.title ?? row.rule}</span> },
            { name: "subject", cell: (row) => row.subject_name ?? row.subject ?? "–" },
            { name: "facts", right: true, cell: (row) => row.facts ?? "" },
            { name: "state", cell: (row) => <Badge of={row.state} /> },
            { name: "since", cell: (row) => when(row.since) },
            { name: "todo", cell: (row) => <span class="quiet-text">{row.todo}</span> },
          ]} />
          <p class="quiet-text">{t("resolved_count", { count: number(data?.resolved ?? 0) })} {t("act_on_alerts")} <AirflowLink to="/dags/watch_stock">watch_stock</AirflowLink></p>
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
    </>
  );
}
