/** The outcome of sending an order or a payment: its position in Kafka, or the error. */
import type { SendReceipt } from "./api-types";
import { money } from "./format";
import { t, translated } from "./i18n";

export function SendResult({ receipt, error }: { receipt: SendReceipt | null; error: string | null }) {
  return (
    <div role="status" class="send-result">
      {error ? (
        <p class="error-text">{t("send_failed", { error: translated("api_error", error) })}</p>
      ) : receipt ? (
        <p>
          {t("received_by", { service: receipt.service })} <strong>{receipt.subject}</strong> ·{" "}
          {money(receipt.cents, receipt.currency)} ·{" "}
          {t("record_position", {
            topic: receipt.topic,
            partition: receipt.partition,
            offset: receipt.offset,
          })}
        </p>
      ) : null}
    </div>
  );
}
