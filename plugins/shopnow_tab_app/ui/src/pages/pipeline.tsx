import { useState } from "preact/hooks";
import { type Batch, type Dag, type Loss, type Pipeline, type Reason, type Topic, usePoll } from "../api";
import { AirflowLink, AsOf, Badge, Csv, Notices, Panel, Pdf, Table } from "../parts";
import { number, t, time, when } from "../settings";

export function PipelinePage() {
  const { data, error } = usePoll<Pipeline>("pipeline");
  return (
    <>
      <div class="filters"><Notices answer={data} error={error} /><span class="push" /><AsOf answer={data} /><Pdf page="pipeline" /></div>
      {data ? (
        <>
          <Flow data={data} />
          <div class="grid">
            <Panel title={t("topics")} size="wide">
              <Table caption={t("topics")} rows={data.topics} id={(row: Topic) => row.topic} columns={[
                { name: "topic", cell: (row) => row.topic },
                { name: "kafka_records", right: true, cell: (row) => number(row.records) },
                { name: "raw_rows", right: true, cell: (row) => number(row.raw) },
                { name: "lag", right: true, cell: (row) => row.lag ? <Badge of="pending" text={number(row.lag)} /> : number(row.lag) },
                { name: "lag_partitions", cell: (row) => <span class="partitions">{row.partitions.map((each) => <span key={each.partition} class={each.lag ? "behind" : ""} title={`${each.landed ?? "–"} / ${each.stable}`}>{each.partition}: {number(each.lag)}</span>)}</span> },
                { name: "quarantined", right: true, cell: (row) => number(row.quarantined) },
                { name: "event_rows", right: true, cell: (row) => number(row.events) },
              ]} />
            </Panel>
            <Dags dags={data.dags} />
            <Panel title={t("batches")} size="wide" tools={<Csv table="receipts" />}>
              <Table low caption={t("batches")} rows={data.batches} id={(row: Batch) => `${row.topic} ${row.version}`} empty={t("no_batches")} columns={[
                { name: "committed_at", cell: (row) => when(row.committed_at, { dateStyle: "short", timeStyle: "medium" }) },
                { name: "topic", cell: (row) => row.topic },
                { name: "version", right: true, cell: (row) => row.version },
                { name: "rows", right: true, cell: (row) => number(row.rows) },
                { name: "quarantined", right: true, cell: (row) => number(row.quarantined) },
                { name: "ranges", cell: (row) => <code class="wrap">{row.ranges.join("  ")}</code> },
              ]} />
            </Panel>
            <Panel title={t("losses")} tools={<Csv table="losses" />}>
              <Table caption={t("losses")} rows={data.losses} id={(row: Loss) => `${row.topic}/${row.partition}/${row.start_offset}`} empty={t("no_losses")} columns={[
                { name: "topic", cell: (row) => `${row.topic} ${row.partition}` },
                { name: "missing", right: true, cell: (row) => number(row.missing_rows) },
                { name: "reason", cell: (row) => <span title={`${row.kind} · ${row.acknowledged_by}`}>{row.reason}</span> },
              ]} />
            </Panel>
            <Quarantine reasons={data.quarantine} />
            <Panel title={t("kpis")}>
              <Table low caption={t("kpis")} rows={data.kpis} id={(row) => row.table} columns={[
                { name: "table", cell: (row) => <span title={row.table}>{row.title}</span> },
                { name: "rows", right: true, cell: (row) => row.version === null ? <span class="quiet-text">{t("not_there")}</span> : number(row.rows) },
                { name: "computed_at", cell: (row) => when(row.computed_at) },
              ]} />
            </Panel>
          </div>
        </>
      ) : error ? null : <p class="empty">{t("reading")}</p>}
    </>
  );
}

const sum = (topics: Topic[], of: (topic: Topic) => number | null): number | null =>
  topics.some((each) => of(each) !== null) ? topics.reduce((total, each) => total + (of(each) ?? 0), 0) : null;

function Flow({ data }: { data: Pipeline }) {
  const lag = sum(data.topics, (each) => each.lag);
  const made = data.kpis.filter((each) => each.version !== null).length;
  const steps: [string, string, string, string, string][] = [
    ["generate_traffic", t("step_sources"), "", t("step_sources_what"), ""],
    ["land_events", "Kafka", number(sum(data.topics, (each) => each.records)), t("records"), lag ? t("waiting", { count: number(lag) }) : lag === 0 ? t("all_landed") : ""],
    ["compute_kpis", "raw", number(sum(data.topics, (each) => each.raw)), t("rows_kept"), t("in_quarantine", { count: number(sum(data.topics, (each) => each.quarantined)) })],
    ["compute_kpis", "events", number(sum(data.topics, (each) => each.events)), t("rows_kept"), ""],
    ["watch_stock", "KPI", number(made), t("tables_made"), time(data.kpis.map((each) => each.computed_at ?? "").sort().at(-1) || null)],
    ["watch_stock", t("alerts"), number(data.alerts), t("firing"), ""],
  ];
  return (
    <ol class="flow" aria-label={t("flow")}>
      {steps.map(([dag, name, value, what, more]) => (
        <li key={name}>
          <strong>{name}</strong>
          <span class="value">{value || "⇢"}</span>
          <span class="quiet-text">{what}</span>
          <span class="quiet-text">{more}</span>
          <AirflowLink to={`/dags/${dag}`}>{dag}</AirflowLink>
        </li>
      ))}
    </ol>
  );
}

function Dags({ dags }: { dags: Dag[] }) {
  return (
    <Panel title={t("dags")}>
      <Table low caption={t("dags")} rows={dags} id={(row) => row.dag_id} empty={t("no_dags")} columns={[
        { name: "dag", cell: (row) => <span title={row.description ?? ""}>{row.dag_id}</span> },
        { name: "run", cell: (row) => row.run ? <AirflowLink to={`/dags/${row.dag_id}/runs/${encodeURIComponent(row.run.run_id)}`}><Badge of={row.run.state} /> {when(row.run.started, { timeStyle: "short" })}</AirflowLink> : "–" },
        { name: "open", title: "", right: true, cell: (row) => <AirflowLink button to={`/dags/${row.dag_id}`}><span aria-label={`${t("run_dag")} ${row.dag_id}`}>▶ {t("run_dag")}</span></AirflowLink> },
      ]} />
    </Panel>
  );
}

function Quarantine({ reasons }: { reasons: Reason[] }) {
  const [shown, setShown] = useState<string | null>(null);
  return (
    <Panel title={t("quarantine")} size="wide" tools={<AirflowLink button to="/dags/replay_quarantine">{t("replay")}</AirflowLink>}>
      {reasons.length ? null : <p class="empty">{t("no_quarantine")}</p>}
      <ul class="reasons">
        {reasons.map((each) => {
          const key = `${each.topic} ${each.reason}`;
          return (
            <li key={key}>
              <button class="reason" aria-expanded={shown === key} onClick={() => setShown(shown === key ? null : key)}>
                <span>{each.reason}</span><span class="quiet-text">{each.topic}</span><strong>{number(each.records)}</strong>
              </button>
              {shown === key ? each.examples.map((record) => (
                <figure key={`${record.partition}/${record.offset}`}>
                  <figcaption>{each.topic} {record.partition}/{record.offset} · {when(record.timestamp)} · {record.problem}</figcaption>
                  <pre tabIndex={0}>{record.value || "–"}</pre>
                </figure>
              )) : null}
            </li>
          );
        })}
      </ul>
    </Panel>
  );
}
