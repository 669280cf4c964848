/** Payment outcomes, all payment attempts, and a form that pays an order. */
import { useRef, useState } from "preact/hooks";
import { useChoice } from "../address";
import { post, usePoll } from "../api-client";
import type { Query } from "../api-url";
import type { Payment, Payments, SendReceipt } from "../api-types";
import { ChartPanel } from "../chart-panel";
import {
  CsvDownload,
  DataAsOf,
  Notices,
  type Option,
  Panel,
  PdfDownload,
  ProvisionalBadge,
  Search,
  Select,
  StatusBadge,
} from "../components";
import { Grid } from "../error-boundary";
import { dateTime, money } from "../format";
import { t, term } from "../i18n";
import { OrderLink } from "../links";
import { methodOptions, PaymentFields } from "../payment-fields";
import { PaymentSound } from "../payment-sound";
import { PeriodChoice, usePeriod } from "../period";
import type { Permissions } from "../permissions";
import { SendResult } from "../send-result";
import { pageQuery, Pager, rowQuery, Table, useTableState } from "../table";

const PERIOD = "all";
const STATUSES = ["succeeded", "failed", "refunded"];

const statusOptions = (): Option[] => STATUSES.map((code) => [code, term("payment_status", code)]);

export function PaymentsPage({ canSend }: Permissions) {
  const [status, setStatus] = useChoice("status");
  const [method, setMethod] = useChoice("method");
  const table = useTableState();
  const shown: Query = { ...rowQuery(table), ...usePeriod(PERIOD), status, method };
  const { data, error } = usePoll<Payments>("payments", { ...shown, ...pageQuery(table) });
  const tools = (
    <>
      <PaymentSound />
      <DataAsOf data={data} />
      <CsvDownload table="payments" query={shown} />
      <PdfDownload page="payments" query={shown} />
    </>
  );
  return (
    <Grid data={data}>
      <PayOrder canSend={canSend} />
      <ChartPanel
        page="payments"
        title={t("payment_outcomes")}
        kind="doughnut"
        data={data?.charts.outcome}
        query={shown}
      />
      <ChartPanel
        page="payments"
        title={t("payments_by_method")}
        kind="stacked-bars"
        data={data?.charts.methods}
        query={shown}
      />
      <Panel title={t("page_payments")} size="full" tools={tools}>
        <Notices data={data} error={error} />
        <div class="toolbar">
          <PeriodChoice names={["all", "today", "7", "30"]} fallback={PERIOD} />
          <Search value={table.search} onChange={table.setSearch} />
          <Select
            label={t("field_status")}
            value={status}
            onChange={setStatus}
            options={[["", t("all_statuses")], ...statusOptions()]}
          />
          <Select
            label={t("field_method")}
            value={method}
            onChange={setMethod}
            options={[["", t("all_methods")], ...methodOptions()]}
          />
        </div>
        <Table
          caption={t("page_payments")}
          rows={data?.rows ?? []}
          rowKey={(row: Payment) => row.payment_id + row.status + row.event_time}
          sort={table.sort}
          onSort={table.setSort}
          columns={[
            { name: "payment_id", cell: (row) => <code>{row.payment_id}</code> },
            { name: "order_id", cell: (row) => <OrderLink id={row.order_id} /> },
            { name: "method", cell: (row) => term("payment_method", row.method) },
            {
              name: "amount_cents",
              title: t("field_amount"),
              alignRight: true,
              cell: (row) => money(row.amount_cents, row.currency),
            },
            { name: "attempt", alignRight: true, cell: (row) => row.attempt },
            { name: "event_time", title: t("field_date"), cell: (row) => dateTime(row.event_time) },
            {
              name: "status",
              cell: (row) => (
                <span title={row.reason ?? undefined}>
                  <StatusBadge scope="payment_status" code={row.status} />
                  <ProvisionalBadge row={row} />
                </span>
              ),
            },
          ]}
        />
        <Pager page={table.page} total={data?.total ?? 0} onChange={table.setPage} />
      </Panel>
    </Grid>
  );
}

function PayOrder({ canSend }: Pick<Permissions, "canSend">) {
  const [receipt, setReceipt] = useState<SendReceipt | null>(null);
  const [error, setError] = useState<string | null>(null);
  const [isSending, setIsSending] = useState(false);
  const form = useRef<HTMLFormElement>(null);
  const submit = async (event: SubmitEvent) => {
    event.preventDefault();
    const values = Object.fromEntries(new FormData(form.current!)) as Record<string, string>;
    const payment = { order_id: values.order_id, method: values.method, outcome: values.outcome };
    setIsSending(true);
    try {
      setReceipt(await post<SendReceipt>("payments", payment));
      setError(null);
    } catch (failure) {
      setError((failure as Error).message);
    }
    setIsSending(false);
  };
  return (
    <Panel title={t("pay_order")}>
      {canSend === false ? <p class="empty">{t("view_only_send")}</p> : null}
      <form ref={form} onSubmit={submit}>
        <fieldset disabled={!canSend || isSending}>
          <label>
            {t("field_order_id")}
            <input name="order_id" required maxLength={64} placeholder="o-…" autoComplete="off" />
          </label>
          <PaymentFields />
          <button class="primary" type="submit">
            {t("pay")}
          </button>
        </fieldset>
      </form>
      <SendResult receipt={receipt} error={error} />
    </Panel>
  );
}
