/** The data flow from Kafka to the KPIs: volume, lag, batches, quarantine, data loss, KPI tables, DAGs. */
import { usePoll } from "../api-client";
import type { Batch, Dag, DataLoss, KpiTable, Pipeline, Topic } from "../api-types";
import {
  AirflowLink,
  Badge,
  CsvDownload,
  DataAsOf,
  Notices,
  Panel,
  PdfDownload,
  runPath,
  StatusBadge,
} from "../components";
import { Grid } from "../error-boundary";
import { dateTime, number, timeOfDay } from "../format";
import { t, translated } from "../i18n";
import { Table } from "../table";
import { QuarantinePanel } from "./quarantine-panel";

export function PipelinePage() {
  const { data, error } = usePoll<Pipeline>("pipeline");
  return (
    <>
      <div class="toolbar">
        <Notices data={data} error={error} />
        <span class="spacer" />
        <DataAsOf data={data} />
        <PdfDownload page="pipeline" />
      </div>
      {data ? (
        <>
          <DataFlow data={data} />
          <Grid data={data}>
            <TopicPanel topics={data.topics} />
            <DagPanel dags={data.dags} />
            <BatchPanel batches={data.batches} />
            <DataLossPanel losses={data.losses} />
            <QuarantinePanel reasons={data.quarantine} />
            <KpiPanel kpis={data.kpis} />
          </Grid>
        </>
      ) : error ? null : (
        <p class="empty">{t("loading")}</p>
      )}
    </>
  );
}

interface FlowStep {
  name: string;
  /** Count at this step; an arrow if the step has none. */
  value: string;
  unit: string;
  detail?: string;
  /** DAG that reads from this step. */
  dag: string;
}

/** The sum over all topics; null if it is unknown for every topic. */
const sum = (topics: Topic[], count: (topic: Topic) => number | null): number | null => {
  const counts = topics.map(count).filter((value) => value !== null);
  return counts.length ? counts.reduce((total, value) => total + value, 0) : null;
};

function flowSteps({ topics, kpis, alerts }: Pipeline): FlowStep[] {
  const lag = sum(topics, (topic) => topic.lag);
  const quarantined = sum(topics, (topic) => topic.quarantined);
  const lastComputed =
    kpis
      .map((kpi) => kpi.computed_at ?? "")
      .sort()
      .at(-1) || null;
  return [
    { name: t("step_shop"), value: "⇢", unit: t("step_shop_producers"), dag: "generate_traffic" },
    {
      name: "Kafka",
      value: number(sum(topics, (topic) => topic.records)),
      unit: t("step_records"),
      detail: lag === null ? "" : lag ? t("step_lag", { count: number(lag) }) : t("step_no_lag"),
      dag: "land_events",
    },
    {
      name: "raw",
      value: number(sum(topics, (topic) => topic.raw)),
      unit: t("step_rows"),
      detail: t("step_quarantined", { count: number(quarantined) }),
      dag: "compute_kpis",
    },
    {
      name: "events",
      value: number(sum(topics, (topic) => topic.events)),
      unit: t("step_rows"),
      dag: "compute_kpis",
    },
    {
      name: "KPI",
      value: number(kpis.filter((kpi) => kpi.version !== null).length),
      unit: t("step_tables"),
      detail: timeOfDay(lastComputed),
      dag: "watch_stock",
    },
    { name: t("alerts"), value: number(alerts), unit: t("step_alerts_firing"), dag: "watch_stock" },
  ];
}

const DataFlow = ({ data }: { data: Pipeline }) => (
  <ol class="flow" aria-label={t("data_flow")}>
    {flowSteps(data).map((step) => (
      <li key={step.name}>
        <strong>{step.name}</strong>
        <span class="value">{step.value}</span>
        <span class="secondary-text">{step.unit}</span>
        <span class="secondary-text">{step.detail}</span>
        <AirflowLink to={`/dags/${step.dag}`}>{step.dag}</AirflowLink>
      </li>
    ))}
  </ol>
);

const TopicPanel = ({ topics }: { topics: Topic[] }) => (
  <Panel title={t("topics_and_lag")} size="wide">
    <Table
      caption={t("topics_and_lag")}
      rows={topics}
      rowKey={(row) => row.topic}
      columns={[
        { name: "topic", cell: (row) => row.topic },
        { name: "records", alignRight: true, cell: (row) => number(row.records) },
        { name: "raw", alignRight: true, cell: (row) => number(row.raw) },
        {
          name: "lag",
          alignRight: true,
          cell: (row) => (row.lag ? <Badge tone="warn">{number(row.lag)}</Badge> : number(row.lag)),
        },
        {
          name: "held_back",
          alignRight: true,
          cell: (row) =>
            row.held_back ? <Badge tone="bad">{number(row.held_back)}</Badge> : number(row.held_back),
        },
        { name: "partition_lag", cell: (row) => <PartitionLag topic={row} /> },
        { name: "quarantined", alignRight: true, cell: (row) => number(row.quarantined) },
        { name: "events", alignRight: true, cell: (row) => number(row.events) },
      ]}
    />
  </Panel>
);

/** The lag of each partition; its tooltip shows the landed and the last stable offset. */
const PartitionLag = ({ topic }: { topic: Topic }) => (
  <span class="partitions">
    {topic.partitions.map(({ partition, lag, landed, stable }) => (
      <span key={partition} class={lag ? "lagging" : ""} title={`${landed ?? "–"} / ${stable}`}>
        {partition}: {number(lag)}
      </span>
    ))}
  </span>
);

const DagPanel = ({ dags }: { dags: Dag[] }) => (
  <Panel title={t("dags")}>
    <Table
      scrollRows
      caption={t("dags")}
      rows={dags}
      rowKey={(row) => row.dag_id}
      emptyText={t("no_dags")}
      columns={[
        { name: "dag_id", cell: (row) => <span title={row.description ?? ""}>{row.dag_id}</span> },
        {
          name: "run",
          cell: ({ run }) =>
            run ? (
              <AirflowLink to={runPath(run)}>
                <StatusBadge scope="run_state" code={run.state} />{" "}
                {dateTime(run.started, { timeStyle: "short" })}
              </AirflowLink>
            ) : (
              "–"
            ),
        },
        {
          name: "trigger",
          title: "",
          alignRight: true,
          cell: (row) => (
            <AirflowLink asButton to={`/dags/${row.dag_id}`}>
              <span aria-label={`${t("run_dag")} ${row.dag_id}`}>▶ {t("run_dag")}</span>
            </AirflowLink>
          ),
        },
      ]}
    />
  </Panel>
);

const BatchPanel = ({ batches }: { batches: Batch[] }) => (
  <Panel title={t("batches_and_receipts")} size="wide" tools={<CsvDownload table="receipts" />}>
    <BatchTable batches={batches} emptyText={t("no_batches")} />
  </Panel>
);

export const BatchTable = ({ batches, emptyText }: { batches: Batch[]; emptyText: string }) => (
  <Table
    scrollRows
    caption={t("batches_and_receipts")}
    rows={batches}
    rowKey={(row) => `${row.topic} ${row.version}`}
    emptyText={emptyText}
    columns={[
      {
        name: "committed_at",
        cell: (row) => dateTime(row.committed_at, { dateStyle: "short", timeStyle: "medium" }),
      },
      { name: "topic", cell: (row) => row.topic },
      { name: "version", alignRight: true, cell: (row) => row.version },
      { name: "rows", alignRight: true, cell: (row) => number(row.rows) },
      { name: "quarantined", alignRight: true, cell: (row) => number(row.quarantined) },
      { name: "ranges", cell: (row) => <code class="wrap">{row.ranges.join("  ")}</code> },
    ]}
  />
);

const DataLossPanel = ({ losses }: { losses: DataLoss[] }) => (
  <Panel title={t("data_loss")} tools={<CsvDownload table="losses" />}>
    <Table
      caption={t("data_loss")}
      rows={losses}
      rowKey={(row) => `${row.topic}/${row.partition}/${row.start_offset}`}
      emptyText={t("no_data_loss")}
      columns={[
        { name: "topic", cell: (row) => `${row.topic} ${row.partition}` },
        { name: "missing_rows", alignRight: true, cell: (row) => number(row.missing_rows) },
        {
          name: "reason",
          cell: (row) => <span title={`${row.kind} · ${row.acknowledged_by}`}>{row.reason}</span>,
        },
      ]}
    />
  </Panel>
);

const KpiPanel = ({ kpis }: { kpis: KpiTable[] }) => (
  <Panel title={t("kpi_tables")}>
    <Table
      scrollRows
      caption={t("kpi_tables")}
      rows={kpis}
      rowKey={(row) => row.table}
      columns={[
        { name: "table", cell: (row) => <span title={row.table}>{translated("kpi", row.title)}</span> },
        {
          name: "rows",
          alignRight: true,
          cell: (row) =>
            row.version === null ? <span class="secondary-text">{t("table_absent")}</span> : number(row.rows),
        },
        { name: "computed_at", cell: (row) => dateTime(row.computed_at) },
      ]}
    />
  </Panel>
);
