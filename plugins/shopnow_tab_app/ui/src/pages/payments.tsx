import { useEffect, useRef, useState } from "preact/hooks";
import { type Activity, type Payment, type Payments, type Receipt, send, usePoll } from "../api";
import { ChartPanel } from "../chart";
import type { Shown } from "../main";
import { AsOf, Badge, Choice, Csv, Notices, PAGE_ROWS, Pager, Panel, Pdf, Search, type Sort, Table } from "../parts";
import { money, t, when } from "../settings";
import { Sent } from "./orders";

const METHODS = ["card", "debit", "paypal", "transfer"];

export function PaymentsPage({ maySend }: Pick<Shown, "maySend">) {
  const [search, setSearch] = useState("");
  const [status, setStatus] = useState("");
  const [method, setMethod] = useState("");
  const [page, setPage] = useState(0);
  const [sort, setSort] = useState<Sort>({ by: "event_time", descending: true });
  const found = { search, status };
  const { data, error } = usePoll<Payments>("payments", { ...found, method, page, size: PAGE_ROWS, sort: sort.by, descending: sort.descending });
  const anew = <Value,>(set: (value: Value) => void) => (value: Value) => (set(value), setPage(0));
  return (
    <div class="grid">
      <Pay maySend={maySend} />
      <ChartPanel page="payments" title={t("outcome")} kind="ring" data={data?.charts.outcome} />
      <ChartPanel page="payments" title={t("methods")} kind="stacked" data={data?.charts.methods} />
      <Panel title={t("page_payments")} size="full" tools={<><Sound /><AsOf answer={data} /><Csv table="payments" query={found} /><Pdf page="payments" query={found} /></>}>
        <Notices answer={data} error={error} />
        <div class="filters">
          <Search value={search} set={anew(setSearch)} />
          <Choice label={t("status")} value={status} set={anew(setStatus)} options={[["", t("all")], ...["succeeded", "failed", "refunded"].map((each): [string, string] => [each, t(each)])]} />
          <Choice label={t("method")} value={method} set={anew(setMethod)} options={[["", t("all")], ...METHODS.map((each): [string, string] => [each, t(each)])]} />
        </div>
        <Table caption={t("page_payments")} rows={data?.rows ?? []} id={(row: Payment) => row.payment_id + row.status + row.event_time} sort={sort} onSort={anew(setSort)} columns={[
          { name: "payment_id", cell: (row) => <code>{row.payment_id}</code> },
          { name: "order_id", cell: (row) => <code>{row.order_id}</code> },
          { name: "method", cell: (row) => t(row.method) },
          { name: "amount_cents", title: t("amount"), right: true, cell: (row) => money(row.amount_cents, row.currency) },
          { name: "attempt", right: true, cell: (row) => row.attempt },
          { name: "event_time", title: t("date"), cell: (row) => when(row.event_time) },
          { name: "status", cell: (row) => <span title={row.reason ?? undefined}><Badge of={row.status} /></span> },
        ]} />
        <Pager page={page} total={data?.total ?? 0} go={setPage} />
      </Panel>
    </div>
  );
}

function Pay({ maySend }: Pick<Shown, "maySend">) {
  const [made, setMade] = useState<Receipt | null>(null);
  const [trouble, setTrouble] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const form = useRef<HTMLFormElement>(null);
  const submit = async (event: SubmitEvent) => {
    event.preventDefault();
    const given = Object.fromEntries(new FormData(form.current!)) as Record<string, string>;
    setBusy(true);
    try {
      const body = { order_id: given.order_id, method: given.method, outcome: given.outcome, amount_cents: Math.round(Number(given.amount) * 100) };
      setMade(await send<Receipt>("payments", body));
      setTrouble(null);
    } catch (error) {
      setTrouble((error as Error).message);
    }
    setBusy(false);
  };
  return (
    <Panel title={t("pay_order")}>
      {maySend ? null : <p class="empty">{t("may_not_send")}</p>}
      <form ref={form} onSubmit={submit}>
        <fieldset disabled={!maySend || busy}>
          <label>{t("order_id")}<input name="order_id" required maxLength={64} placeholder="o-…" autoComplete="off" /></label>
          <label class="narrow">{t("method")}<select name="method">{METHODS.map((each) => <option key={each} value={each}>{t(each)}</option>)}</select></label>
          <label class="narrow">{t("amount")} (€)<input name="amount" type="number" min="0.01" step="0.01" required /></label>
          <label class="narrow">{t("outcome_of")}<select name="outcome"><option value="succeeded">{t("succeeded")}</option><option value="failed">{t("failed")}</option></select></label>
          <button class="primary" type="submit">{t("pay")}</button>
        </fieldset>
      </form>
      <Sent receipt={made} trouble={trouble} />
    </Panel>
  );
}

/** A short sound for each new payment; off until somebody turns it on, as browsers want it. */
function Sound() {
  const [on, setOn] = useState(false);
  const sound = useRef<AudioContext | null>(null);
  // The newest payment seen; null if there was none, undefined as long as nobody looked: what is found then is not new.
  const heard = useRef<string | null | undefined>(undefined);
  const { data } = usePoll<Activity>("activity", { limit: 40 }, 2_000);
  const newest = data?.events.find((event) => event.topic === "payments");
  const place = newest ? `${newest.partition}/${newest.offset}` : null;
  useEffect(() => {
    if (on && heard.current !== undefined && place && place !== heard.current) play(sound.current!, newest!.event_type === "payment_succeeded" ? 880 : 330);
    if (data) heard.current = place ?? heard.current ?? null;
  }, [place, !data]);
  const toggle = () => {
    sound.current ??= new AudioContext();
    if (!on) play(sound.current, 880);
    setOn(!on);
  };
  return <button class="quiet" aria-pressed={on} onClick={toggle}>{on ? t("sound_on") : t("sound_off")}</button>;
}

function play(sound: AudioContext, pitch: number): void {
  const tone = sound.createOscillator();
  const volume = sound.createGain();
  tone.frequency.value = pitch;
  volume.gain.setValueAtTime(0.12, sound.currentTime);
  volume.gain.exponentialRampToValueAtTime(0.001, sound.currentTime + 0.35);
  tone.connect(volume).connect(sound.destination);
  tone.start();
  tone.stop(sound.currentTime + 0.35);
}
