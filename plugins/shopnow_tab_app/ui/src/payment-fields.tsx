/** Fields of a payment, in the form of the page Payments and in the dialog of an order. */
import { post } from "./api-client";
import type { Order, SendReceipt } from "./api-types";
import type { Option } from "./components";
import { FormDialog } from "./form-dialog";
import { money } from "./format";
import { labelled, t, term } from "./i18n";

const METHODS = ["card", "debit", "paypal", "transfer"];
/** Statuses of orders that can be paid. */
const PAYABLE = ["placed", "failed"];

export const methodOptions = (): Option[] => METHODS.map((code) => [code, term("payment_method", code)]);

export const PaymentFields = () => (
  <>
    <label class="narrow">
      {t("field_method")}
      <select name="method" data-autofocus>
        {methodOptions().map(([code, text]) => (
          <option key={code} value={code}>
            {text}
          </option>
        ))}
      </select>
    </label>
    <label class="narrow">
      {t("field_outcome")}
      <select name="outcome">
        <option value="succeeded">{t("payment_status_succeeded")}</option>
        <option value="failed">{t("payment_status_failed")}</option>
      </select>
    </label>
  </>
);

const isPayable = (order: Order): boolean => PAYABLE.includes(order.status);

interface PayDialogProps {
  order: Order;
  onClose: () => void;
}

/** Pays an order that is not paid yet. */
export const PayDialog = ({ order, onClose }: PayDialogProps) => (
  <FormDialog
    title={labelled(t("pay_order"), order.order_id)}
    buttons={[["pay", t("pay")]]}
    onSubmit={async ({ method, outcome }) => {
      await post<SendReceipt>("payments", { order_id: order.order_id, method, outcome });
    }}
    onClose={onClose}
  >
    <p>{money(order.total_cents, order.currency)}</p>
    <PaymentFields />
  </FormDialog>
);

interface PayButtonProps {
  order: Order;
  canSend: boolean | undefined;
  onPay: (order: Order) => void;
}

/** A button for an order that is not paid yet; nothing for other orders. */
export const PayButton = ({ order, canSend, onPay }: PayButtonProps) =>
  isPayable(order) ? (
    <button
      class="small"
      disabled={!canSend}
      aria-label={labelled(t("pay"), order.order_id)}
      onClick={() => onPay(order)}
    >
      {t("pay")}
    </button>
  ) : null;
