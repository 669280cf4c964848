/** An order: what was ordered, and its timeline from the order to the delivery. */
import { useState } from "preact/hooks";
import { useAddress } from "../address";
import { usePoll } from "../api-client";
import type { Order, OrderDetail, OrderStep } from "../api-types";
import { DataAsOf, Notices, Panel, PdfDownload, ProvisionalBadge, StatusBadge } from "../components";
import { Grid } from "../error-boundary";
import { dateTime, money, number } from "../format";
import { labelled, t, term } from "../i18n";
import { CustomerLink } from "../links";
import { PayButton, PayDialog } from "../payment-fields";
import type { Permissions } from "../permissions";

export function OrderPage({ canSend }: Permissions) {
  const id = useAddress().choices.get("id") ?? "";
  const query = { order_id: id };
  const { data, error } = usePoll<OrderDetail>("order", query);
  const tools = (
    <>
      <DataAsOf data={data} />
      <PdfDownload page="order" query={query} />
    </>
  );
  return (
    <Grid data={data}>
      <Panel title={labelled(t("page_order"), id)} tools={tools}>
        <Notices data={data} error={error} />
        {data?.order ? (
          <OrderFacts data={data} canSend={canSend} />
        ) : data && !data.missing.length ? (
          <p class="empty">{t("no_such_order", { id })}</p>
        ) : null}
      </Panel>
      <Panel title={t("timeline")} size="wide">
        <ol class="timeline">
          {data?.steps.map((step) => (
            <TimelineStep key={`${step.event_type} ${step.event_time} ${step.attempt}`} step={step} />
          ))}
        </ol>
      </Panel>
    </Grid>
  );
}

function OrderFacts({ data, canSend }: { data: OrderDetail; canSend: boolean | undefined }) {
  const order = data.order!;
  const [paid, setPaid] = useState<Order | null>(null);
  return (
    <>
    <dl class="facts">
      <dt>{t("field_status")}</dt>
      <dd>
        <StatusBadge scope="order_status" code={order.status} />
        <ProvisionalBadge row={order} /> <PayButton order={order} canSend={canSend} onPay={setPaid} />
      </dd>
      <dt>{t("field_customer_name")}</dt>
      <dd>
        <CustomerLink id={order.customer_id}>{order.customer_name}</CustomerLink>
        <div class="secondary-text">{t("customer_orders", { count: number(data.customer_orders) })}</div>
      </dd>
      <dt>{t("field_country")}</dt>
      <dd>{order.country}</dd>
      <dt>{t("field_product")}</dt>
      <dd>{order.products > 1 ? `${order.product} +${order.products - 1}` : order.product}</dd>
      <dt>{t("field_units")}</dt>
      <dd>{number(order.units)}</dd>
      <dt>{t("field_amount")}</dt>
      <dd>{money(order.total_cents, order.currency)}</dd>
    </dl>
      {paid ? <PayDialog order={paid} onClose={() => setPaid(null)} /> : null}
    </>
  );
}

function TimelineStep({ step }: { step: OrderStep }) {
  const facts = [
    step.amount_cents === null ? "" : money(step.amount_cents, step.currency),
    step.method && term("payment_method", step.method),
    step.attempt === null ? "" : labelled(t("field_attempt"), number(step.attempt)),
    step.reason,
    step.promised_at && labelled(t("field_promised_at"), dateTime(step.promised_at)),
  ];
  return (
    <li class={step.event_type}>
      <time dateTime={step.event_time}>
        {dateTime(step.event_time, { dateStyle: "short", timeStyle: "medium" })}
      </time>
      <strong>{term("event", step.event_type)}</strong> <ProvisionalBadge row={step} />
      <div class="secondary-text">{facts.filter(Boolean).join(" · ")}</div>
    </li>
  );
}
