/** A DAG run, also as a tab of its page in Airflow: the receipts and KPI rows committed while it ran. */
import { useAddress } from "../address";
import { usePoll } from "../api-client";
import type { ComputedTable, RunDetail } from "../api-types";
import { Badge, DataAsOf, Notices, Panel, PdfDownload, StatusBadge } from "../components";
import { Grid } from "../error-boundary";
import { dateTime, number } from "../format";
import { t } from "../i18n";
import { Table } from "../table";
import { BatchTable } from "./pipeline";

export function RunPage() {
  const { choices } = useAddress();
  const query = { dag_id: choices.get("dag_id") ?? "", run_id: choices.get("run_id") ?? "" };
  const { data, error } = usePoll<RunDetail>("run", query);
  return (
    <>
      <div class="toolbar">
        <h2>{query.dag_id}</h2>
        {data?.run ? <StatusBadge scope="run_state" code={data.run.state} /> : null}
        <span class="spacer" />
        <DataAsOf data={data} />
        <PdfDownload page="run" query={query} />
      </div>
      <Notices data={data} error={error} />
      {data && !data.run ? <p class="empty">{t("no_such_run", { id: query.run_id })}</p> : null}
      {data?.run ? (
        <>
          <p class="secondary-text">{t("run_attribution")}</p>
          <Grid data={data}>
            <Panel title={t("batches_and_receipts")} size="wide">
              <BatchTable batches={data.batches} emptyText={t("no_receipts")} />
            </Panel>
            <Panel title={t("computed_tables")} size="wide">
              <ComputedTables tables={data.computed} />
            </Panel>
          </Grid>
        </>
      ) : null}
    </>
  );
}

const ComputedTables = ({ tables }: { tables: ComputedTable[] }) => (
  <Table
    caption={t("computed_tables")}
    rows={tables}
    rowKey={(row) => row.table}
    emptyText={t("no_computed_rows")}
    columns={[
      { name: "table", cell: (row) => <code>{row.table}</code> },
      { name: "rows", alignRight: true, cell: (row) => number(row.rows) },
      { name: "first", cell: (row) => dateTime(row.first, { dateStyle: "medium" }) },
      { name: "last", cell: (row) => dateTime(row.last, { dateStyle: "medium" }) },
      {
        name: "complete",
        title: t("complete"),
        cell: (row) => (
          <Badge tone={row.missing_rows === 0 ? "good" : "warn"}>
            {row.missing_rows === 0 ? t("complete") : t("incomplete")}
          </Badge>
        ),
      },
    ]}
  />
);
