import { useState } from "preact/hooks";
import { type Deliveries, type Delivery, usePoll } from "../api";
import { ChartPanel } from "../chart";
import { AsOf, Badge, Bar, Csv, Notices, PAGE_ROWS, Pager, Panel, Pdf, Search, type Sort, Table, Tabs } from "../parts";
import { number, t, when } from "../settings";

const STAGES = ["pending", "in_transit", "delivered"];
const TONES: Record<string, string> = { pending: "warn", in_transit: "info", delivered: "good" };

export function DeliveriesPage() {
  const [search, setSearch] = useState("");
  const [stage, setStage] = useState("");
  const [page, setPage] = useState(0);
  const [days, setDays] = useState("30");
  const [sort, setSort] = useState<Sort>({ by: "event_time", descending: true });
  const found = { search, stage };
  const { data, error } = usePoll<Deliveries>("deliveries", { ...found, days, page, size: PAGE_ROWS, sort: sort.by, descending: sort.descending });
  const anew = <Value,>(set: (value: Value) => void) => (value: Value) => (set(value), setPage(0));
  const all = Object.values(data?.stages ?? {}).reduce((sum, each) => sum + each, 0);
  return (
    <>
      <div class="filters">
        <Tabs label={t("stage")} value={stage} set={anew(setStage)} options={[["", `${t("all")} ${number(all)}`], ...STAGES.map((each): [string, string] => [each, `${t(each)} ${number(data?.stages[each] ?? 0)}`])]} />
        {data?.overdue ? <Badge of="overdue" text={t("overdue_count", { count: number(data.overdue) })} /> : null}
        <span class="push" />
        <Tabs label={t("period")} value={days} set={setDays} options={[["7", t("days_7")], ["30", t("days_30")]]} />
      </div>
      <div class="grid">
        <ChartPanel page="deliveries" size="full" title={t("timeline")} kind="stacked" data={data?.charts.timeline} query={{ days }} />
        <Panel title={t("page_deliveries")} size="full" tools={<><AsOf answer={data} /><Csv table="deliveries" query={found} /><Pdf page="deliveries" query={found} /></>}>
          <Notices answer={data} error={error} />
          <div class="filters"><Search value={search} set={anew(setSearch)} /></div>
          <Table caption={t("page_deliveries")} rows={data?.rows ?? []} id={(row: Delivery) => row.delivery_id} sort={sort} onSort={anew(setSort)} columns={[
            { name: "delivery_id", cell: (row) => <code>{row.delivery_id}</code> },
            { name: "address", cell: (row) => row.address },
            { name: "stage", cell: (row) => <><Badge of={row.stage} /> {row.overdue ? <Badge of="overdue" /> : null}</> },
            { name: "promised_at", title: t("expected"), cell: (row) => when(row.promised_at) },
            { name: "progress", cell: (row) => <span title={steps(row)}><Bar part={Math.max(row.progress, 0.04)} tone={TONES[row.stage]} /><span class="hidden">{`${Math.round(row.progress * 100)} %`}</span></span> },
            { name: "event_time", title: t("since"), cell: (row) => when(row.event_time) },
          ]} />
          <Pager page={page} total={data?.total ?? 0} go={setPage} />
        </Panel>
      </div>
    </>
  );
}

const steps = (row: Delivery): string =>
  [["pending", row.created_at], ["in_transit", row.shipped_at], ["delivered", row.delivered_at]].filter(([, at]) => at).map(([name, at]) => `${t(name!)}: ${when(at)}`).join("\n");
