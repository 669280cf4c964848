/** Stock levels, active alerts with their actions, silences, and the messages sent about alerts. */
import { useEffect, useState } from "preact/hooks";
import { useChoice } from "../address";
import { usePoll } from "../api-client";
import type { Alert, AlertAction, Message, Silence, Stock, StockItem } from "../api-types";
import {
  AirflowLink,
  Badge,
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
import { EmptyText, Table } from "../table";
import {
  ActionButtons,
  ActionDialog,
  ActionList,
  type ActionRequest,
  ActionStateBadge,
  alertTitle,
  isPending,
} from "./alert-actions";

const POLL_MS = 5_000;
const POLL_WHILE_PENDING_MS = 1_000;
const SHOWN_MESSAGES = 12;
const SHOWN_ALERTS_PER_MESSAGE = 4;
/** Days of cover that fill the bar. */
const FULL_COVER_DAYS = 30;

export function StockPage({ canManageAlerts }: Permissions) {
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
        <AlertPanel data={data} actions={actions} canManageAlerts={canManageAlerts} onRequest={setRequest} />
        <MessagePanel messages={data?.messages ?? null} />
        <StockPanel data={data} />
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

/** Whether an action or silence targets the alert itself or its rule. */
const concerns = (target: string, alert: Alert): boolean => [alert.fingerprint, alert.rule].includes(target);

interface AlertPanelProps {
  data: Stock | null;
  actions: AlertAction[];
  canManageAlerts?: boolean;
  onRequest: (request: ActionRequest) => void;
}

function AlertPanel({ data, actions, canManageAlerts, onRequest }: AlertPanelProps) {
  const alerts = data?.alerts ?? [];
  const silences = data?.silences ?? [];
  const hasPendingAction = (alert: Alert) =>
    actions.some((action) => isPending(action) && concerns(action.alert, alert));
  const tools = (
    <>
      <AirflowLink to="/required_actions" asButton>
        {t("restock_approvals")}
      </AirflowLink>
      <CsvDownload table="alerts" />
    </>
  );
  return (
    <Panel title={`${t("alerts")} (${number(alerts.length)})`} size="wide" tools={tools}>
      <Table
        caption={t("alerts")}
        rows={alerts}
        rowKey={(row) => row.fingerprint}
        emptyText={t("no_alerts")}
        columns={[
          { name: "severity", cell: (row) => <StatusBadge scope="severity" code={row.severity} /> },
          {
            name: "alert",
            wrap: true,
            cell: (row) => (
              <>
                <span title={row.rule}>{alertTitle(row)}</span>
                <div class="secondary-text">
                  {[
                    row.facts && translated("alert_facts", row.facts),
                    row.todo && translated("alert_todo", row.todo),
                  ]
                    .filter(Boolean)
                    .join(" · ")}
                </div>
                <ActionButtons
                  alert={row}
                  disabled={!canManageAlerts || hasPendingAction(row)}
                  onRequest={onRequest}
                />
              </>
            ),
          },
          {
            name: "state",
            cell: (row) => (
              <AlertState
                alert={row}
                silence={silences.filter((silence) => concerns(silence.target, row)).at(-1)}
                hasPendingAction={hasPendingAction(row)}
              />
            ),
          },
          { name: "since", cell: (row) => dateTime(row.since) },
        ]}
      />
      <ActionList actions={actions} />
      {silences.length ? <SilenceTable silences={silences} /> : null}
      <p class="secondary-text">
        {t("resolved_count", { count: number(data?.resolved ?? 0) })}
        {canManageAlerts === false ? ` · ${t("view_only_alerts")}` : ""}
      </p>
    </Panel>
  );
}

interface AlertStateProps {
  alert: Alert;
  silence: Silence | undefined;
  hasPendingAction: boolean;
}

const AlertState = ({ alert, silence, hasPendingAction }: AlertStateProps) => (
  <>
    <span title={attribution(alert)}>
      <StatusBadge scope="alert_state" code={alert.state} />
    </span>
    {silence ? (
      <>
        {" "}
        <span title={attribution(silence)}>
          <Badge tone="info">{t("silenced_until", { time: dateTime(silence.until) })}</Badge>
        </span>
      </>
    ) : null}
    {hasPendingAction ? (
      <>
        {" "}
        <ActionStateBadge state="running" />
      </>
    ) : null}
  </>
);

/** Who acknowledged or silenced, and why. */
const attribution = ({ by, reason }: { by: string | null; reason: string | null }): string | undefined =>
  by ? labelled(by, reason ?? "") : undefined;

/** The user's name; `by` is the name followed by the DAG run. */
const userName = (by: string | null): string => by?.split(", ")[0] ?? "–";

const SilenceTable = ({ silences }: { silences: Silence[] }) => (
  <Table
    caption={t("silences")}
    rows={silences}
    rowKey={(row) => row.target}
    columns={[
      { name: "target", cell: (row) => <code>{row.target}</code> },
      { name: "until", cell: (row) => dateTime(row.until) },
      { name: "by", cell: (row) => <span title={row.by ?? undefined}>{userName(row.by)}</span> },
      { name: "reason", wrap: true, cell: (row) => row.reason ?? "" },
    ]}
  />
);

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
    <Panel title={t("stock")} size="full" tools={tools}>
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
          { name: "product_name", cell: (row) => row.product_name },
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
