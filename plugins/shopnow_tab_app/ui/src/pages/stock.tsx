/** Stock levels, active alerts with their actions, silences, and the messages sent about alerts. */
import { useEffect, useState } from "preact/hooks";
import { useChoice } from "../address";
import { usePoll } from "../api-client";
import type { AlertAction, Message, Stock, StockItem } from "../api-types";
import {
  ButtonGroup,
  CsvDownload,
  DataAsOf,
  Notices,
  Panel,
  PdfDownload,
  ProgressBar,
  StatusBadge,
} from "../components";
import { Grid } from "../error-boundary";
import { dateTime, money, number } from "../format";
import { labelled, t, translated } from "../i18n";
import type { Permissions } from "../permissions";
import { ProductLink } from "../links";
import { EmptyText, Table } from "../table";
import { ActionDialog, type ActionRequest, isPending } from "./alert-actions";
import { AlertPanel } from "./alert-panel";

const POLL_MS = 5_000;
const POLL_WHILE_PENDING_MS = 1_000;
const SHOWN_MESSAGES = 12;
const SHOWN_ALERTS_PER_MESSAGE = 4;
/** Days of cover that fill the bar. */
const FULL_COVER_DAYS = 30;

export function StockPage(permissions: Permissions) {
  const [request, setRequest] = useState<ActionRequest | null>(null);
  const [started, setStarted] = useState<AlertAction[]>([]);
  const pollMs = started.some(isPending) ? POLL_WHILE_PENDING_MS : POLL_MS;
  const [level] = useChoice("level");
  const { data, error } = usePoll<Stock>("stock", { level }, pollMs);
  // An action started here is shown at once; the API's version of it replaces it when it arrives.
  useEffect(() => {
    const updated = (action: AlertAction) => data?.acts.find((other) => isSameRun(other, action)) ?? action;
    setStarted((actions) => actions.map(updated));
  }, [data]);
  const reported = data?.acts ?? [];
  const unreported = started.filter((action) => !reported.some((other) => isSameRun(other, action)));
  const actions = [...unreported, ...reported];
  return (
    <>
      <Notices data={data} error={error} />
      <Grid data={data}>
        <AlertPanel
          data={data}
          actions={actions}
          permissions={permissions}
          onRequest={setRequest}
        />
        <StockPanel data={data} />
        <MessagePanel messages={data?.messages ?? null} />
      </Grid>
      {request ? (
        <ActionDialog
          key={`${request.action} ${request.alert.fingerprint}`}
          request={request}
          onStarted={(action) => setStarted((previous) => [action, ...previous])}
          onClose={() => setRequest(null)}
        />
      ) : null}
    </>
  );
}

const isSameRun = (a: AlertAction, b: AlertAction): boolean => a.run.run_id === b.run.run_id;

/** Translates `title: subject` of an alert. */
function translatedAlert(text: string): string {
  const [title, ...subject] = text.split(": ");
  const translatedTitle = translated("alert_title", title);
  if (!subject.length) return translatedTitle;
  return labelled(translatedTitle, translated("alert_subject", subject.join(": ")));
}

const MessagePanel = ({ messages }: { messages: Message[] | null }) => (
  <Panel title={t("messages_sent")}>
    <ul class="messages">
      {messages?.slice(0, SHOWN_MESSAGES).map((message) => (
        <li key={message.dedup_key + message.channel}>
          <StatusBadge scope="message_state" code={message.state} />{" "}
          <span class="secondary-text">
            {dateTime(message.at)} · {message.channel}
          </span>
          <div>
            {message.about.slice(0, SHOWN_ALERTS_PER_MESSAGE).map(translatedAlert).join(", ")}
            {message.about.length > SHOWN_ALERTS_PER_MESSAGE
              ? ` +${message.about.length - SHOWN_ALERTS_PER_MESSAGE}`
              : ""}
          </div>
        </li>
      ))}
    </ul>
    {messages && !messages.length ? <EmptyText text={t("no_messages")} /> : null}
  </Panel>
);

function StockPanel({ data }: { data: Stock | null }) {
  const [level, setLevel] = useChoice("level");
  const tools = (
    <>
      <DataAsOf data={data} />
      <CsvDownload table="stock" query={{ level }} />
      <PdfDownload page="stock" query={{ level }} />
    </>
  );
  return (
    <Panel title={t("stock")} size="wide" tools={tools}>
      <div class="toolbar">
        <ButtonGroup
          label={t("stock")}
          value={level}
          onChange={setLevel}
          options={[
            ["", t("all_products")],
            ["low", t("stock_level_low")],
            ["out", t("stock_level_out")],
          ]}
        />
        {Object.entries(data?.lost_cents ?? {}).map(([currency, cents]) => (
          <span key={currency} class="secondary-text">
            {t("lost_sales", { amount: money(cents, currency) })}
          </span>
        ))}
      </div>
      <Table
        caption={t("stock")}
        rows={data?.shelves ?? []}
        rowKey={(row) => row.product_id}
        columns={[
          {
            name: "product_name",
            cell: (row) => <ProductLink id={row.product_id}>{row.product_name}</ProductLink>,
          },
          { name: "quantity", alignRight: true, cell: (row) => number(row.quantity) },
          { name: "days_of_cover", alignRight: true, cell: (row) => number(row.days_of_cover, 1) },
          { name: "cover", title: "", cell: (row) => <CoverBar item={row} /> },
          { name: "reorder_point", alignRight: true, cell: (row) => number(row.reorder_point) },
          { name: "demand_per_day", alignRight: true, cell: (row) => number(row.demand_per_day, 1) },
          { name: "status", cell: (row) => <StatusBadge scope="stock_level" code={row.level} /> },
        ]}
      />
    </Panel>
  );
}

const CoverBar = ({ item }: { item: StockItem }) =>
  item.days_of_cover === null ? null : (
    <ProgressBar
      fraction={item.days_of_cover / FULL_COVER_DAYS}
      tone={item.level === "ok" ? "good" : "bad"}
    />
  );
