/** Acknowledging and silencing alerts: a dialog that starts a DAG run, and the state of such runs. */
import { useState } from "preact/hooks";
import { post } from "../api-client";
import type { Alert, AlertAction } from "../api-types";
import { AirflowLink, Badge, runPath, type Tone } from "../components";
import { FormDialog } from "../form-dialog";
import { dateTime } from "../format";
import { labelled, t, term, translated } from "../i18n";

export type ActionName = "acknowledge" | "silence";
export interface ActionRequest {
  action: ActionName;
  alert: Alert;
}

const DEFAULT_SILENCE_MS = 2 * 3_600_000;
const SHOWN_ACTIONS = 5;
const RUN_TONES: Record<string, Tone> = { queued: "warn", running: "info", success: "good", failed: "bad" };

export const isPending = (action: AlertAction): boolean => !["success", "failed"].includes(action.run.state);

export const alertTitle = (alert: Alert): string => {
  const title = alert.title === null ? alert.rule : translated("alert_title", alert.title);
  const subject = alert.subject_name ?? alert.subject;
  return subject ? labelled(title, translated("alert_subject", subject)) : title;
};

/** A UTC time as `YYYY-MM-DDTHH:MM`, the value of a datetime-local input. */
const toInputValue = (time: Date): string => time.toISOString().slice(0, "YYYY-MM-DDTHH:MM".length);

interface ActionDialogProps {
  request: ActionRequest;
  onStarted: (action: AlertAction) => void;
  onClose: () => void;
}

export function ActionDialog({ request: { action, alert }, onStarted, onClose }: ActionDialogProps) {
  const [defaultUntil] = useState(() => toInputValue(new Date(Date.now() + DEFAULT_SILENCE_MS)));
  const send = async (values: Record<string, string>) => {
    const body = {
      alert: values.target ?? alert.fingerprint,
      reason: values.reason,
      ...(action === "silence" ? { until: `${values.until}:00Z` } : {}),
    };
    onStarted(await post<AlertAction>(`alerts/${action}`, body));
  };
  return (
    <FormDialog
      title={t(`action_${action}`)}
      buttons={[[action, t(`action_${action}`)]]}
      onSubmit={send}
      onClose={onClose}
    >
      <p>{alertTitle(alert)}</p>
      <p class="secondary-text">{t(`${action}_effect`)}</p>
      {action === "silence" ? (
        <>
          <label>
            {t("applies_to")}
            <select name="target">
              <option value={alert.fingerprint}>{t("this_alert")}</option>
              <option value={alert.rule}>{t("all_alerts_of_rule", { rule: alert.rule })}</option>
            </select>
          </label>
          <label>
            {t("until_utc")}
            <input
              name="until"
              type="datetime-local"
              required
              defaultValue={defaultUntil}
              min={defaultUntil.slice(0, "YYYY-MM-DD".length)}
            />
          </label>
        </>
      ) : null}
      <label>
        {t("field_reason")}
        <input name="reason" required maxLength={300} pattern=".*\S.*" autoComplete="off" data-autofocus />
      </label>
    </FormDialog>
  );
}

/** Buttons that open the dialog for an alert. */
export function ActionButtons(props: {
  alert: Alert;
  disabled: boolean;
  onRequest: (request: ActionRequest) => void;
}) {
  const { alert, disabled, onRequest } = props;
  const actions: ActionName[] = alert.state === "firing" ? ["acknowledge", "silence"] : ["silence"];
  return (
    <span class="tools">
      {actions.map((action) => (
        <button
          key={action}
          disabled={disabled}
          aria-label={labelled(t(`action_${action}`), alert.fingerprint)}
          onClick={() => onRequest({ action, alert })}
        >
          {t(`action_${action}`)}
        </button>
      ))}
    </span>
  );
}

export const ActionStateBadge = ({ state }: { state: string }) => (
  <Badge tone={RUN_TONES[state] ?? "plain"}>{term("action_state", state)}</Badge>
);

/** The state of the latest acknowledgements and silences. */
export const ActionList = ({ actions }: { actions: AlertAction[] }) => (
  <div role="status">
    <ul class="messages alert-actions">
      {actions.slice(0, SHOWN_ACTIONS).map((action) => (
        <ActionItem key={action.run.run_id} action={action} />
      ))}
    </ul>
  </div>
);

function ActionItem({ action: { action, alert, by, run, refused } }: { action: AlertAction }) {
  const started = dateTime(run.started, { timeStyle: "medium" });
  return (
    <li>
      <ActionStateBadge state={run.state} /> {term("action", action)} <code>{alert}</code>{" "}
      <span class="secondary-text">
        {by} · <AirflowLink to={runPath(run)}>{t("run_at", { time: started })}</AirflowLink>
      </span>
      {refused ? <div class="error-text">{t("action_failed", { error: refused })}</div> : null}
    </li>
  );
}
