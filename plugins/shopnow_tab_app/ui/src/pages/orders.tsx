/** All orders of the lake, and a form that creates orders. */
import { useEffect, useRef, useState } from "preact/hooks";
import { useChoice } from "../address";
import { get, usePoll } from "../api-client";
import type { Query } from "../api-url";
import type { CatalogueProduct, Order, Orders } from "../api-types";
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
import { isKnown } from "../known-data";
import { dateTime, money, number } from "../format";
import { t, term } from "../i18n";
import { CustomerLink, OrderLink } from "../links";
import { LatestActivity } from "../latest-activity";
import { PayButton, PayDialog } from "../payment-fields";
import { sendOrder, setGenerating, useSender } from "../order-sender";
import { PeriodChoice, usePeriod } from "../period";
import type { Permissions } from "../permissions";
import { SendResult } from "../send-result";
import { pageQuery, Pager, rowQuery, Table, useTableState } from "../table";

const PERIOD = "all";
const CATALOGUE_CURRENCY = "EUR";
const STATUSES = ["placed", "failed", "paid", "in_transit", "delivered", "refunded", "cancelled"];
const OPTIONAL_FIELDS = ["customer_name", "country", "address"];

export function OrdersPage({ canSend }: Permissions) {
  return (
    <Grid>
      <CreateOrder canSend={canSend} />
      <LatestActivity rows={6} />
      <OrderTable canSend={canSend} />
    </Grid>
  );
}

function OrderTable({ canSend }: Pick<Permissions, "canSend">) {
  const [status, setStatus] = useChoice("status");
  const [customer, setCustomer] = useChoice("customer");
  // Not in the row, which newer orders may push off the page.
  const [paid, setPaid] = useState<Order | null>(null);
  const table = useTableState();
  const shown: Query = { ...rowQuery(table), ...usePeriod(PERIOD), status, customer_id: customer };
  const { data, error } = usePoll<Orders>("orders", { ...shown, ...pageQuery(table) });
  const tools = (
    <>
      <DataAsOf data={data} />
      <CsvDownload table="orders" query={shown} />
      <PdfDownload page="orders" query={shown} />
    </>
  );
  return (
    <Panel title={t("page_orders")} size="full" tools={tools}>
      <Notices data={data} error={error} />
      <div class="toolbar">
        <PeriodChoice names={["all", "today", "7", "30"]} fallback={PERIOD} />
        <Search value={table.search} onChange={table.setSearch} />
        <Select
          label={t("field_status")}
          value={status}
          onChange={setStatus}
          options={[
            ["", t("all_statuses")],
            ...STATUSES.map((code): Option => [
              code,
              `${term("order_status", code)} (${number(data?.statuses[code] ?? 0)})`,
            ]),
          ]}
        />
        {customer ? (
          <button onClick={() => setCustomer("")} aria-label={t("all_customers")}>
            {t("only_customer", { id: customer })} ✕
          </button>
        ) : null}
      </div>
      <Table
        caption={t("page_orders")}
        rows={data?.rows ?? []}
        isKnown={isKnown(data)}
        rowKey={(row: Order) => row.order_id}
        sort={table.sort}
        onSort={table.setSort}
        columns={[
          { name: "order_id", cell: (row) => <OrderLink id={row.order_id} /> },
          {
            name: "customer_name",
            cell: (row) => <CustomerLink id={row.customer_id}>{row.customer_name}</CustomerLink>,
          },
          { name: "country", cell: (row) => row.country },
          {
            name: "product",
            cell: (row) => (row.products > 1 ? `${row.product} +${row.products - 1}` : row.product),
          },
          {
            name: "total_cents",
            title: t("field_amount"),
            alignRight: true,
            cell: (row) => money(row.total_cents, row.currency),
          },
          { name: "event_time", title: t("field_date"), cell: (row) => dateTime(row.event_time) },
          {
            name: "status",
            cell: (row) => (
              <>
                <StatusBadge scope="order_status" code={row.status} />
                <ProvisionalBadge row={row} /> <PayButton order={row} canSend={canSend} onPay={setPaid} />
              </>
            ),
          },
        ]}
      />
      <Pager page={table.page} total={data?.total ?? 0} onChange={table.setPage} />
      {paid ? <PayDialog key={paid.order_id} order={paid} onClose={() => setPaid(null)} /> : null}
    </Panel>
  );
}

function CreateOrder({ canSend }: Pick<Permissions, "canSend">) {
  const [products, setProducts] = useState<CatalogueProduct[]>([]);
  const [loadError, setLoadError] = useState<string | null>(null);
  const [isSending, setIsSending] = useState(false);
  const { isGenerating, created, receipt, error } = useSender();
  const form = useRef<HTMLFormElement>(null);
  useEffect(() => {
    get<CatalogueProduct[]>("products").then(setProducts, (failure) => setLoadError(failure.message));
  }, []);
  const submit = async (event: SubmitEvent) => {
    event.preventDefault();
    const values = new FormData(form.current!);
    const optional = OPTIONAL_FIELDS.map((name) => [name, String(values.get(name) ?? "").trim()]);
    const item = { product_id: values.get("product_id"), quantity: Number(values.get("quantity")) };
    setIsSending(true);
    await sendOrder({ ...Object.fromEntries(optional.filter(([, value]) => value)), items: [item] });
    setIsSending(false);
  };
  return (
    <Panel title={t("create_order")} size="wide">
      {canSend === false ? <p class="empty">{t("view_only_send")}</p> : null}
      <form ref={form} onSubmit={submit}>
        <fieldset disabled={!canSend || isSending}>
          <label>
            {t("field_product")}
            <select name="product_id" required>
              {products.map((product) => (
                <option key={product.product_id} value={product.product_id}>
                  {`${product.name} · ${money(product.price_cents, CATALOGUE_CURRENCY)}`}
                </option>
              ))}
            </select>
          </label>
          <label class="narrow">
            {t("field_quantity")}
            <input name="quantity" type="number" min="1" max="1000" value="1" required />
          </label>
          <label>
            {t("field_customer_name")}
            <input
              name="customer_name"
              maxLength={200}
              placeholder={t("random_if_empty")}
              autoComplete="off"
            />
          </label>
          <label class="narrow">
            {t("field_country")}
            <input name="country" maxLength={2} pattern="[A-Z]{2}" placeholder="FR" autoComplete="off" />
          </label>
          <label>
            {t("field_address")}
            <input name="address" maxLength={200} placeholder={t("random_if_empty")} autoComplete="off" />
          </label>
          <button class="primary" type="submit">
            {t("create_order")}
          </button>
        </fieldset>
      </form>
      <div class="toolbar">
        <button
          disabled={!canSend}
          aria-pressed={isGenerating}
          class={isGenerating ? "primary" : ""}
          onClick={() => setGenerating(!isGenerating)}
        >
          {isGenerating ? t("auto_generate_stop") : t("auto_generate_start")}
        </button>
        {created ? (
          <span class="secondary-text">{t("orders_created", { count: number(created) })}</span>
        ) : null}
      </div>
      <SendResult receipt={receipt} error={error ?? loadError} />
    </Panel>
  );
}
