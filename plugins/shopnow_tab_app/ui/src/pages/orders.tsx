import { useEffect, useRef, useState } from "preact/hooks";
import { type Order, type Orders, type Receipt, type Sold, get, send, usePoll } from "../api";
import type { Shown } from "../main";
import { AsOf, Badge, Choice, Csv, Notices, PAGE_ROWS, Pager, Panel, Pdf, Search, type Sort, Table } from "../parts";
import { money, number, t, when } from "../settings";
import { Latest } from "./dashboard";

const AUTO_MS = 2_000;
const STATUSES = ["placed", "failed", "paid", "in_transit", "delivered", "refunded", "cancelled"];

export function OrdersPage({ maySend }: Pick<Shown, "maySend">) {
  const [search, setSearch] = useState("");
  const [status, setStatus] = useState("");
  const [page, setPage] = useState(0);
  const [sort, setSort] = useState<Sort>({ by: "event_time", descending: true });
  const found = { search, status };
  const { data, error } = usePoll<Orders>("orders", { ...found, page, size: PAGE_ROWS, sort: sort.by, descending: sort.descending });
  const anew = <Value,>(set: (value: Value) => void) => (value: Value) => (set(value), setPage(0));
  return (
    <div class="grid">
      <Create maySend={maySend} />
      <Latest />
      <Panel title={t("page_orders")} size="full" tools={<><AsOf answer={data} /><Csv table="orders" query={found} /><Pdf page="orders" query={found} /></>}>
        <Notices answer={data} error={error} />
        <div class="filters">
          <Search value={search} set={anew(setSearch)} />
          <Choice label={t("status")} value={status} set={anew(setStatus)} options={[["", t("all")], ...STATUSES.map((each): [string, string] => [each, `${t(each)} (${number(data?.statuses[each] ?? 0)})`])]} />
        </div>
        <Table caption={t("page_orders")} rows={data?.rows ?? []} id={(row: Order) => row.order_id} sort={sort} onSort={anew(setSort)} columns={[
          { name: "order_id", cell: (row) => <code>{row.order_id}</code> },
          { name: "customer_name", cell: (row) => row.customer_name },
          { name: "country", cell: (row) => row.country },
          { name: "product", cell: (row) => row.products > 1 ? `${row.product} +${row.products - 1}` : row.product },
          { name: "total_cents", title: t("amount"), right: true, cell: (row) => money(row.total_cents, row.currency) },
          { name: "event_time", title: t("date"), cell: (row) => when(row.event_time) },
          { name: "status", cell: (row) => <Badge of={row.status} /> },
        ]} />
        <Pager page={page} total={data?.total ?? 0} go={setPage} />
      </Panel>
    </div>
  );
}

function Create({ maySend }: Pick<Shown, "maySend">) {
  const [sold, setSold] = useState<Sold[]>([]);
  const [made, setMade] = useState<Receipt | null>(null);
  const [trouble, setTrouble] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const [auto, setAuto] = useState(false);
  const [count, setCount] = useState(0);
  const form = useRef<HTMLFormElement>(null);
  useEffect(() => void get<Sold[]>("products").then(setSold, () => {}), []);
  const place = async (order: object) => {
    try {
      setMade(await send<Receipt>("orders", order));
      setTrouble(null);
      setCount((before) => before + 1);
      return true;
    } catch (error) {
      setTrouble((error as Error).message);
      return false;
    }
  };
  useEffect(() => {
    if (!auto) return;
    let over = false;
    let timer = 0;
    const next = async () => {
      const started = Date.now();
      const placed = await place({});
      if (over) return;
      if (placed) timer = window.setTimeout(next, Math.max(AUTO_MS - (Date.now() - started), 0));
      else setAuto(false);
    };
    next();
    return () => ((over = true), clearTimeout(timer));
  }, [auto]);
  const submit = async (event: SubmitEvent) => {
    event.preventDefault();
    const given = new FormData(form.current!);
    const words = Object.fromEntries(["customer_name", "country", "address"].map((name) => [name, String(given.get(name) ?? "").trim()]).filter(([, value]) => value));
    setBusy(true);
    await place({ ...words, items: [{ product_id: given.get("product_id"), quantity: Number(given.get("quantity")) }] });
    setBusy(false);
  };
  return (
    <Panel title={t("create_order")} size="wide">
      {maySend ? null : <p class="empty">{t("may_not_send")}</p>}
      <form ref={form} onSubmit={submit}>
        <fieldset disabled={!maySend || busy}>
          <label>{t("product")}<select name="product_id" required>{sold.map((each) => <option key={each.product_id} value={each.product_id}>{`${each.name} · ${money(each.price_cents, "EUR")}`}</option>)}</select></label>
          <label class="narrow">{t("quantity")}<input name="quantity" type="number" min="1" max="1000" value="1" required /></label>
          <label>{t("customer_name")}<input name="customer_name" maxLength={200} placeholder={t("made_up")} autoComplete="off" /></label>
          <label class="narrow">{t("country")}<input name="country" maxLength={2} pattern="[A-Z]{2}" placeholder="FR" autoComplete="off" /></label>
          <label>{t("address")}<input name="address" maxLength={200} placeholder={t("made_up")} autoComplete="off" /></label>
          <button class="primary" type="submit">{t("create_order")}</button>
        </fieldset>
      </form>
      <div class="filters">
        <button disabled={!maySend} aria-pressed={auto} class={auto ? "primary" : ""} onClick={() => setAuto(!auto)}>{auto ? t("auto_stop") : t("auto_start")}</button>
        {count ? <span class="quiet-text">{t("created_here", { count: number(count) })}</span> : null}
      </div>
      <Sent receipt={made} trouble={trouble} />
    </Panel>
  );
}

/** Where an event went, or why it did not. */
export const Sent = ({ receipt, trouble }: { receipt: Receipt | null; trouble: string | null }) => (
  <div role="status" class="sent">
    {trouble ? <p class="bad-text">{t("not_sent", { why: trouble })}</p> : receipt ? (
      <p>{t("sent_to", { service: receipt.service })} <strong>{receipt.subject}</strong> · {money(receipt.cents, receipt.currency)} · {t("place", { topic: receipt.topic, partition: receipt.partition, offset: receipt.offset })}</p>
    ) : null}
  </div>
);
