/** All deliveries with their progress, and the number per stage and day. */
import { useChoice } from "../address";
import { usePoll } from "../api-client";
import type { Query } from "../api-url";
import type { Deliveries, Delivery } from "../api-types";
import { ChartPanel } from "../chart-panel";
import {
  Badge,
  ButtonGroup,
  CsvDownload,
  DataAsOf,
  Notices,
  type Option,
  Panel,
  PdfDownload,
  ProgressBar,
  ProvisionalBadge,
  Search,
  StatusBadge,
  type Tone,
} from "../components";
import { Grid } from "../error-boundary";
import { dateTime, number } from "../format";
import { labelled, t, term } from "../i18n";
import { OrderLink } from "../links";
import { PeriodChoice, usePeriod } from "../period";
import { pageQuery, Pager, rowQuery, Table, useTableState } from "../table";

const PERIOD = "30";
const STAGES = ["pending", "in_transit", "delivered"];
const TONES: Record<string, Tone> = { pending: "warn", in_transit: "info", delivered: "good" };
/** Keeps the bar of a delivery without progress visible. */
const MIN_FRACTION = 0.04;

export function DeliveriesPage() {
  const [stage, setStage] = useChoice("stage");
  const table = useTableState();
  const shown: Query = { ...rowQuery(table), ...usePeriod(PERIOD), stage };
  const { data, error } = usePoll<Deliveries>("deliveries", { ...shown, ...pageQuery(table) });
  const total = Object.values(data?.stages ?? {}).reduce((sum, count) => sum + count, 0);
  const tools = (
    <>
      <DataAsOf data={data} />
      <CsvDownload table="deliveries" query={shown} />
      <PdfDownload page="deliveries" query={shown} />
    </>
  );
  return (
    <>
      <div class="toolbar">
        <ButtonGroup
          label={t("field_stage")}
          value={stage}
          onChange={setStage}
          options={[
            ["", `${t("all_deliveries")} ${number(total)}`],
            ...STAGES.map((code): Option => [
              code,
              `${term("delivery_stage", code)} ${number(data?.stages[code] ?? 0)}`,
            ]),
          ]}
        />
        {data?.overdue ? (
          <Badge tone="bad">{t("overdue_count", { count: number(data.overdue) })}</Badge>
        ) : null}
        <span class="spacer" />
        <PeriodChoice names={["all", "today", "7", "30"]} fallback={PERIOD} />
      </div>
      <Grid data={data}>
        <ChartPanel
          page="deliveries"
          size="full"
          title={t("deliveries_per_day")}
          kind="stacked-bars"
          data={data?.charts.timeline}
          query={shown}
        />
        <Panel title={t("page_deliveries")} size="full" tools={tools}>
          <Notices data={data} error={error} />
          <div class="toolbar">
            <Search value={table.search} onChange={table.setSearch} />
          </div>
          <Table
            caption={t("page_deliveries")}
            rows={data?.rows ?? []}
            rowKey={(row: Delivery) => row.delivery_id}
            sort={table.sort}
            onSort={table.setSort}
            columns={[
              { name: "delivery_id", cell: (row) => <code>{row.delivery_id}</code> },
              { name: "order_id", cell: (row) => <OrderLink id={row.order_id} /> },
              { name: "address", cell: (row) => row.address },
              {
                name: "stage",
                cell: (row) => (
                  <>
                    <StatusBadge scope="delivery_stage" code={row.stage} />{" "}
                    {row.overdue ? <Badge tone="bad">{t("overdue")}</Badge> : null}
                    <ProvisionalBadge row={row} />
                  </>
                ),
              },
              { name: "promised_at", cell: (row) => dateTime(row.promised_at) },
              { name: "progress", cell: (row) => <Progress delivery={row} /> },
              { name: "event_time", title: t("field_since"), cell: (row) => dateTime(row.event_time) },
            ]}
          />
          <Pager page={table.page} total={data?.total ?? 0} onChange={table.setPage} />
        </Panel>
      </Grid>
    </>
  );
}

const Progress = ({ delivery }: { delivery: Delivery }) => (
  <span title={stageHistory(delivery)}>
    <ProgressBar fraction={Math.max(delivery.progress, MIN_FRACTION)} tone={TONES[delivery.stage]} />
    <span class="visually-hidden">{`${Math.round(delivery.progress * 100)} %`}</span>
  </span>
);

/** One line per stage reached, with its time. */
function stageHistory(delivery: Delivery): string {
  const times: [string, string | null][] = [
    ["pending", delivery.created_at],
    ["in_transit", delivery.shipped_at],
    ["delivered", delivery.delivered_at],
  ];
  return times
    .filter(([, time]) => time)
    .map(([stage, time]) => labelled(term("delivery_stage", stage), dateTime(time)))
    .join("\n");
}
