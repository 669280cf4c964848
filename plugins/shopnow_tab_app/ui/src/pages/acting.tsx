/** What a person does about an alert: asked for in a dialog, done by a run of a DAG, which is shown until it is over. */
import { useEffect, useRef, useState } from "preact/hooks";
import { type Act, type Alert, send } from "../api";
import { AirflowLink, Badge } from "../parts";
import { t, when } from "../settings";

export type Action = "acknowledge" | "silence";
export interface Wanted { action: Action; alert: Alert }

const SILENT_MS = 2 * 3_600_000;
const MINUTE = "YYYY-MM-DDTHH:MM".length;

export const pending = (act: Act): boolean => !["success", "failed"].includes(act.run.state);
export const called = (alert: Alert): string => [alert.title ?? alert.rule, alert.subject_name ?? alert.subject].filter(Boolean).join(": ");

export function ActDialog({ wanted: { action, alert }, taken, close }: { wanted: Wanted; taken: (act: Act) => void; close: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const reason = useRef<HTMLInputElement>(null);
  const [busy, setBusy] = useState(false);
  const [trouble, setTrouble] = useState<string | null>(null);
  const [until] = useState(() => new Date(Date.now() + SILENT_MS).toISOString().slice(0, MINUTE));
  useEffect(() => (dialog.current!.showModal(), reason.current!.focus()), []);
  const submit = async (event: SubmitEvent) => {
    event.preventDefault();
    const given = Object.fromEntries(new FormData(event.currentTarget as HTMLFormElement)) as Record<string, string>;
    const body = { alert: given.target ?? alert.fingerprint, reason: given.reason, ...(action === "silence" ? { until: `${given.until}:00Z` } : {}) };
    setBusy(true);
    try {
      taken(await send<Act>(`alerts/${action}`, body));
      dialog.current!.close();
    } catch (error) {
      setTrouble((error as Error).message);
      setBusy(false);
    }
  };
  return (
    <dialog ref={dialog} aria-labelledby="act-title" onClose={close}>
      <form onSubmit={submit}>
        <h2 id="act-title">{t(action)}</h2>
        <p>{called(alert)}</p>
        <p class="quiet-text">{t(`${action}_means`)}</p>
        <fieldset disabled={busy}>
          {action === "silence" ? (
            <>
              <label>{t("of")}<select name="target">
                <option value={alert.fingerprint}>{t("this_alert")}</option>
                <option value={alert.rule}>{t("all_of_rule", { rule: alert.rule })}</option>
              </select></label>
              <label>{t("until_utc")}<input name="until" type="datetime-local" required defaultValue={until} min={until.slice(0, "YYYY-MM-DD".length)} /></label>
            </>
          ) : null}
          <label>{t("reason")}<input name="reason" required maxLength={300} pattern=".*\S.*" autoComplete="off" ref={reason} /></label>
        </fieldset>
        <p role="status" class="bad-text">{trouble ? t("not_done", { why: trouble }) : ""}</p>
        <div class="filters">
          <button class="primary" type="submit" disabled={busy}>{t(action)}</button>
          <button type="button" onClick={() => dialog.current!.close()}>{t("cancel")}</button>
        </div>
      </form>
    </dialog>
  );
}

/** How far each thing is that somebody does, or did just now. */
export const Acts = ({ acts }: { acts: Act[] }) => (
  <div role="status">
    <ul class="messages acts">
      {acts.slice(0, 5).map((act) => (
        <li key={act.run.run_id}>
          <Badge of={act.run.state} text={t(`act_${act.run.state}`)} /> {t(act.action)} <code>{act.alert}</code>{" "}
          <span class="quiet-text">{act.by} · <AirflowLink to={`/dags/${act.run.dag_id}/runs/${encodeURIComponent(act.run.run_id)}`}>{t("run_of", { time: when(act.run.started, { timeStyle: "medium" }) })}</AirflowLink></span>
          {act.refused ? <div class="bad-text">{t("not_done", { why: act.refused })}</div> : null}
        </li>
      ))}
    </ul>
  </div>
);
