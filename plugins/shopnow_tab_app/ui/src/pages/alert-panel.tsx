/** Active alerts, most money at risk first, with what to do about them, and the silences. */
import { useState } from "preact/hooks";
import type { Alert, AlertAction, Silence, Stock } from "../api-types";
import { AirflowLink, Badge, CsvDownload, Panel, StatusBadge } from "../components";
import { dateTime, money, number } from "../format";
import { labelled, t, translated } from "../i18n";
import { ProductLink } from "../links";
import type { Permissions } from "../permissions";
import { Table } from "../table";
import {
  ActionButtons,
  ActionList,
  type ActionRequest,
  ActionStateBadge,
  alertTitle,
  isPending,
} from "./alert-actions";
import { type RestockAnswer, RestockDialog } from "./restock-approval";

/** Whether an action or silence targets the alert itself or its rule. */
const concerns = (target: string, alert: Alert): boolean => [alert.fingerprint, alert.rule].includes(target);

interface AlertPanelProps {
  data: Stock | null;
  actions: AlertAction[];
  permissions: Permissions;
  onRequest: (request: ActionRequest) => void;
}

export function AlertPanel({ data, actions, permissions, onRequest }: AlertPanelProps) {
  const { canManageAlerts, canApprove } = permissions;
  const [asked, setAsked] = useState<Alert | null>(null);
  const [answers, setAnswers] = useState<Record<string, RestockAnswer>>({});
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
    <Panel title={`${t("alerts")} (${number(alerts.length)})`} size="full" tools={tools}>
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
                <span title={row.rule}>
                  {row.on_hand !== null && row.subject ? (
                    <ProductLink id={row.subject}>{alertTitle(row)}</ProductLink>
                  ) : (
                    alertTitle(row)
                  )}
                </span>
                <div class="secondary-text">
                  {[
                    // Of a product the columns have the current figures.
                    row.on_hand === null && row.facts && translated("alert_facts", row.facts),
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
          { name: "on_hand", alignRight: true, cell: (row) => number(row.on_hand) },
          { name: "days_of_cover", alignRight: true, cell: (row) => number(row.days_of_cover, 1) },
          {
            name: "at_risk",
            alignRight: true,
            cell: (row) => money(row.at_risk_cents, row.currency, true),
          },
          {
            name: "order_pieces",
            cell: (row) => (
              <RestockCell
                alert={row}
                answer={row.approval ? answers[row.approval.run] : undefined}
                disabled={!canApprove}
                onAsk={() => setAsked(row)}
              />
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
      {asked ? (
        <RestockDialog
          key={asked.fingerprint}
          alert={asked}
          onAnswered={(run, answer) => setAnswers((previous) => ({ ...previous, [run]: answer }))}
          onClose={() => setAsked(null)}
        />
      ) : null}
      <p class="secondary-text">
        {data?.inhibited ? `${t("inhibited_count", { count: number(data.inhibited) })} · ` : ""}
        {t("resolved_count", { count: number(data?.resolved ?? 0) })}
        {canManageAlerts === false ? ` · ${t("view_only_alerts")}` : ""}
      </p>
    </Panel>
  );
}

interface RestockCellProps {
  alert: Alert;
  answer: RestockAnswer | undefined;
  disabled: boolean;
  onAsk: () => void;
}

/** How many pieces to order and by when, and the button that orders them if Airflow asks for it. */
function RestockCell({ alert, answer, disabled, onAsk }: RestockCellProps) {
  if (alert.order_pieces === null) return null;
  const pieces = number(alert.order_pieces);
  const name = alert.subject_name ?? alert.subject ?? "";
  return (
    <>
      {answer ? (
        <Badge tone={answer === "Approve" ? "good" : "plain"}>
          {answer === "Approve" ? t("restock_approved") : t("restock_rejected")}
        </Badge>
      ) : alert.approval && !alert.approval.is_open ? (
        <Badge tone="info">{t("restock_answered")}</Badge>
      ) : alert.approval ? (
        <button
          class="primary small"
          disabled={disabled}
          aria-label={labelled(t("restock_approve_pieces", { pieces }), name)}
          onClick={onAsk}
        >
          {t("restock_approve_pieces", { pieces })}
        </button>
      ) : (
        pieces
      )}
      <div class="secondary-text">
        {alert.order_by ? t("order_until", { time: dateTime(alert.order_by) }) : t("order_now")}
      </div>
    </>
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
