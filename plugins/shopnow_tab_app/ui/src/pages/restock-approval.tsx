/** Answers to restock proposals: the page answers Airflow's own question, in the user's name and rights. */
import { answerApproval } from "../airflow-api";
import type { Alert } from "../api-types";
import { FormDialog } from "../form-dialog";
import { dateTime, money, number } from "../format";
import { t } from "../i18n";

const DAG = "approve_restock";
const TASK = "approve";
const MAX_PIECES = 1_000_000;

interface RestockDialogProps {
  alert: Alert;
  onAnswered: (run: string, answer: RestockAnswer) => void;
  onClose: () => void;
}

export type RestockAnswer = "Approve" | "Reject";

export function RestockDialog({ alert, onAnswered, onClose }: RestockDialogProps) {
  const { run } = alert.approval!;
  const send = async (values: Record<string, string>, button: string) => {
    const answer = button as RestockAnswer;
    const pieces = Number(values.pieces);
    await answerApproval({ dag: DAG, run, task: TASK }, answer, { pieces, reason: values.reason.trim() });
    onAnswered(run, answer);
  };
  return (
    <FormDialog
      title={t("restock_question", { product: alert.subject_name ?? alert.subject ?? "" })}
      buttons={[
        ["Approve", t("restock_approve")],
        ["Reject", t("restock_reject")],
      ]}
      onSubmit={send}
      onClose={onClose}
    >
      <p class="secondary-text">
        {t("restock_facts", {
          on_hand: number(alert.on_hand),
          at_risk: money(alert.at_risk_cents, alert.currency),
          by: alert.order_by ? dateTime(alert.order_by) : t("order_now"),
        })}
      </p>
      <label class="narrow">
        {t("field_order_pieces")}
        <input
          name="pieces"
          type="number"
          min="1"
          max={MAX_PIECES}
          required
          defaultValue={String(alert.order_pieces ?? 1)}
          data-autofocus
        />
      </label>
      <label>
        {t("reason_optional")}
        <input name="reason" maxLength={500} autoComplete="off" />
      </label>
    </FormDialog>
  );
}
