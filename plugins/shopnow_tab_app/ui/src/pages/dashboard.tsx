import { useState } from "preact/hooks";
import { type Activity, type AtRisk, type Card, type Dashboard, type Event, type Product, usePoll } from "../api";
import { ChartPanel, Spark } from "../chart";
import { AirflowLink, Badge, Bar, Choice, Csv, Notices, Panel, Pdf, Table, Tabs } from "../parts";
import { amount, money, number, share, t, time, when } from "../settings";

export function DashboardPage() {
  const [days, setDays] = useState("7");
  const [from, setFrom] = useState("");
  const [to, setTo] = useState("");
  const [only, setOnly] = useState("");
  const [currency, setCurrency] = useState("");
  const [kind, value] = only.split("=");
  const query = { ...(days === "own" ? { from, to } : { days }), currency, ...(kind ? { [kind]: value } : {}) };
  const { data, error } = usePoll<Dashboard>("dashboard", query);
  const options = data?.options;
  return (
    <>
      <div class="filters">
        <Tabs label={t("period")} value={days} set={setDays} options={[["1", t("one_day")], ["7", t("days_7")], ["30", t("days_30")], ["own", t("own")]]} />
        {days === "own" ? (
          <>
            <label class="choice"><span>{t("from")}</span><input type="date" value={from} max={to || undefined} onChange={(event) => setFrom(event.currentTarget.value)} /></label>
            <label class="choice"><span>{t("to")}</span><input type="date" value={to} min={from || undefined} onChange={(event) => setTo(event.currentTarget.value)} /></label>
          </>
        ) : null}
        <Choice label={t("of")} value={only} set={setOnly} options={[
          ["", t("everything")],
          ...(options?.categories ?? []).map((each): [string, string] => [`category=${each}`, `${t("category")}: ${each}`]),
          ...(options?.countries ?? []).map((each): [string, string] => [`country=${each}`, `${t("country")}: ${each}`]),
        ]} />
        {(options?.currencies.length ?? 0) > 1 ? (
          <Choice label={t("currency")} value={currency || data?.currency || ""} set={setCurrency} options={options!.currencies.map((each) => [each, each])} />
        ) : null}
        <span class="push" />
        <Pdf page="dashboard" query={query} />
      </div>
      <Notices answer={data} error={error} />
      {data ? <Figures data={data} query={query} /> : error ? null : <p class="empty">{t("reading")}</p>}
    </>
  );
}

function Figures({ data, query }: { data: Dashboard; query: Record<string, string | undefined> }) {
  const most = Math.max(...data.top_products.map((each) => each.gmv_cents), 1);
  return (
    <>
      <div class="cards">{data.cards.map((card) => <Figure key={card.name} card={card} currency={data.currency} complete={data.completeness.complete} kept={!("category" in query || "country" in query)} />)}</div>
      <Fresh data={data} />
      <div class="grid">
        <ChartPanel page="dashboard" size="wide" title={data.charts.orders.labels[0]?.includes("T") ? t("orders_per_hour") : t("orders_per_day")} kind="line" data={data.charts.orders} only={["orders"]} query={query} />
        <Latest />
        <ChartPanel page="dashboard" title={t("payments_chart")} kind="stacked" data={data.charts.payments} query={query} />
        <ChartPanel page="dashboard" title={t("funnel")} kind="steps" data={data.charts.funnel} query={query} />
        <Panel title={t("at_risk")} tools={<Csv table="stock" />}>
          <Table caption={t("at_risk")} rows={data.at_risk} id={(row: AtRisk) => row.product_id} empty={t("no_risk")} columns={[
            { name: "product_name", cell: (row) => row.product_name },
            { name: "quantity", right: true, cell: (row) => (row.quantity ? number(row.quantity) : <Badge of="out" />) },
            { name: "days_of_cover", right: true, cell: (row) => number(row.days_of_cover, 1) },
          ]} />
        </Panel>
        <Panel title={t("top_products")} size="full" tools={<Csv table="top_products" />}>
          <Table caption={t("top_products")} rows={data.top_products} id={(row: Product) => row.product_id} columns={[
            { name: "product_name", cell: (row) => row.product_name },
            { name: "category", cell: (row) => <span class="quiet-text">{row.category}</span> },
            { name: "units", right: true, cell: (row) => number(row.units) },
            { name: "gmv", right: true, cell: (row) => money(row.gmv_cents, data.currency) },
            { name: "part", title: "", cell: (row) => <Bar part={row.gmv_cents / most} /> },
          ]} />
        </Panel>
      </div>
    </>
  );
}

function Figure({ card, currency, complete, kept }: { card: Card; currency: string | null; complete: boolean; kept: boolean }) {
  const trend = card.value !== null && card.before ? (card.value - card.before) / card.before : null;
  return (
    <section class="card" title={card.definition}>
      <h2>{t(`card_${card.name}`)}</h2>
      <p class="value">{amount(card.value, card.unit, currency, true)}</p>
      <p class={`trend ${trend === null ? "" : trend < 0 ? "down" : "up"}`}>
        {trend === null ? card.value !== null ? t("no_before") : kept ? "" : t("not_kept") : `${trend < 0 ? "▼" : "▲"} ${share(trend)} ${t("beside_before")}`}
      </p>
      {card.spark.length > 1 ? <Spark values={card.spark} /> : null}
      {complete ? null : <Badge of="warning" text={t("incomplete")} />}
    </section>
  );
}

function Fresh({ data: { freshness, completeness } }: { data: Dashboard }) {
  const run = freshness.run;
  const audit = completeness.audit;
  return (
    <p class="fresh">
      <span>{freshness.computed_at ? t("computed", { time: when(freshness.computed_at, { dateStyle: "medium", timeStyle: "medium" }) }) : t("not_computed")}</span>
      {run ? <span>{t("by_run")} <AirflowLink to={`/dags/${run.dag_id}/runs/${encodeURIComponent(run.run_id)}`}>{run.dag_id}</AirflowLink></span> : null}
      {freshness.computed_at ? (completeness.complete ? <Badge of="ok" text={t("complete")} /> : (
        <Badge of="warning" text={completeness.missing_rows === null ? t("missing_unknown") : t("missing_rows", { rows: number(completeness.missing_rows) })} />
      )) : null}
      {audit ? <Badge of={audit === "holds" ? "ok" : "critical"} text={audit === "holds" ? t("audit_holds") : t("audit_broken", { audit })} /> : null}
    </p>
  );
}

export function Latest() {
  const { data, error } = usePoll<Activity>("activity", { limit: 14 }, 2_000);
  return (
    <Panel title={t("latest")}>
      <Notices answer={data} error={error} />
      <ol class="latest">{data?.events.map((event) => <Happened key={`${event.topic} ${event.partition} ${event.offset}`} event={event} />)}</ol>
      {data && !data.events.length && !data.missing.length ? <p class="empty">{t("no_activity")}</p> : null}
    </Panel>
  );
}

function Happened({ event }: { event: Event }) {
  return (
    <li title={`${event.topic} ${event.partition}/${event.offset}`}>
      <time dateTime={event.time}>{time(event.time)}</time>
      <span class={`dot ${event.topic}`} aria-hidden="true" />
      <span class="what">{event.event_type ? t(event.event_type) : t("no_event")} <span class="quiet-text">{event.who ? t(event.who) : event.subject ?? ""}</span></span>
      <span class="much">{event.cents !== null ? money(event.cents, event.currency) : event.pieces !== null ? number(event.pieces) : ""}</span>
    </li>
  );
}
