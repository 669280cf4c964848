/** Payment outcomes, all payment attempts, and a form that pays an order. */
import { useEffect, useRef, useState } from "preact/hooks";
import { post, usePoll } from "../api-client";
import type { Activity, Payment, Payments, SendReceipt } from "../api-types";
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
import { ACTIVITY_POLL_MS } from "../latest-activity";
import type { Permissions } from "../permissions";
import { SendResult } from "../send-result";
import { Pager, Table, useTableState } from "../table";

const METHODS = ["card", "debit", "paypal", "transfer"];
const STATUSES = ["succeeded", "failed", "refunded"];
const ACTIVITY_EVENTS = 40;
const SUCCESS_HZ = 880;
const FAILURE_HZ = 330;
const SOUND_SECONDS = 0.35;

const methodOptions = (): Option[] => METHODS.map((code) => [code, term("payment_method", code)]);
const statusOptions = (): Option[] => STATUSES.map((code) => [code, term("payment_status", code)]);

export function PaymentsPage({ canSend }: Permissions) {
  const [status, setStatus] = useState("");
  const [method, setMethod] = useState("");
  const table = useTableState();
  const filter = { search: table.search, status };
  const { data, error } = usePoll<Payments>("payments", {
    ...table.query,
    ...filter,
    method,
  });
  const tools = (
    <>
      <PaymentSound />
      <DataAsOf data={data} />
      <CsvDownload table="payments" query={filter} />
      <PdfDownload page="payments" query={filter} />
    </>
  );
  return (
    <Grid data={data}>
      <PayOrder canSend={canSend} />
      <ChartPanel page="payments" title={t("payment_outcomes")} kind="doughnut" data={data?.charts.outcome} />
      <ChartPanel
        page="payments"
        title={t("payments_by_method")}
        kind="stacked-bars"
        data={data?.charts.methods}
      />
      <Panel title={t("page_payments")} size="full" tools={tools}>
        <Notices data={data} error={error} />
        <div class="toolbar">
          <Search value={table.search} onChange={table.setSearch} />
          <Select
            label={t("field_status")}
            value={status}
            onChange={table.resetsPage(setStatus)}
            options={[["", t("all_statuses")], ...statusOptions()]}
          />
          <Select
            label={t("field_method")}
            value={method}
            onChange={table.resetsPage(setMethod)}
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
            { name: "order_id", cell: (row) => <code>{row.order_id}</code> },
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
    const payment = {
      order_id: values.order_id,
      method: values.method,
      outcome: values.outcome,
      amount_cents: Math.round(Number(values.amount) * 100),
    };
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
          <label class="narrow">
            {t("field_method")}
            <select name="method">
              {methodOptions().map(([code, text]) => (
                <option key={code} value={code}>
                  {text}
                </option>
              ))}
            </select>
          </label>
          <label class="narrow">
            {t("field_amount")} (€)
            <input name="amount" type="number" min="0.01" step="0.01" required />
          </label>
          <label class="narrow">
            {t("field_outcome")}
            <select name="outcome">
              <option value="succeeded">{t("payment_status_succeeded")}</option>
              <option value="failed">{t("payment_status_failed")}</option>
            </select>
          </label>
          <button class="primary" type="submit">
            {t("pay")}
          </button>
        </fieldset>
      </form>
      <SendResult receipt={receipt} error={error} />
    </Panel>
  );
}

/** A switch for a short sound per new payment; off at first, as browsers forbid sound before a click. */
function PaymentSound() {
  const [isOn, setIsOn] = useState(false);
  const audio = useRef<AudioContext | null>(null);
  // Position of the newest payment so far: undefined before the first response, null if it had no payment.
  const lastPosition = useRef<string | null | undefined>(undefined);
  const { data } = usePoll<Activity>("activity", { limit: ACTIVITY_EVENTS }, ACTIVITY_POLL_MS);
  const newest = data?.events.find((event) => event.topic === "payments");
  const position = newest ? `${newest.partition}/${newest.offset}` : null;
  useEffect(() => {
    const isNew = lastPosition.current !== undefined && position !== lastPosition.current;
    if (isOn && newest && isNew) {
      playTone(audio.current!, newest.event_type === "payment_succeeded" ? SUCCESS_HZ : FAILURE_HZ);
    }
    if (data) lastPosition.current = position ?? lastPosition.current ?? null;
  }, [position, !data]);
  const toggle = () => {
    audio.current ??= new AudioContext();
    if (!isOn) playTone(audio.current, SUCCESS_HZ);
    setIsOn(!isOn);
  };
  return (
    <button class="small" aria-pressed={isOn} onClick={toggle}>
      {isOn ? t("sound_on") : t("sound_off")}
    </button>
  );
}

function playTone(audio: AudioContext, frequencyHz: number): void {
  const oscillator = audio.createOscillator();
  const gain = audio.createGain();
  const end = audio.currentTime + SOUND_SECONDS;
  oscillator.frequency.value = frequencyHz;
  gain.gain.setValueAtTime(0.12, audio.currentTime);
  gain.gain.exponentialRampToValueAtTime(0.001, end);
  oscillator.connect(gain).connect(audio.destination);
  oscillator.start();
  oscillator.stop(end);
}
