/** A modal dialog with a form, which shows why its request failed and can be sent again. */
import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { t, translated } from "./i18n";

interface FormDialogProps {
  title: string;
  /** The fields. The one with `autoFocus` gets the focus. */
  children: ComponentChildren;
  /** Names of the buttons that send the form, and their texts; the first is the main one, for which fields must be valid. */
  buttons: [name: string, text: string][];
  /** Sends the values of the fields; the dialog closes unless it fails. */
  onSubmit: (values: Record<string, string>, button: string) => Promise<void>;
  onClose: () => void;
}

export function FormDialog({ title, children, buttons, onSubmit, onClose }: FormDialogProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [isSending, setIsSending] = useState(false);
  const [error, setError] = useState<string | null>(null);
  useEffect(() => {
    dialog.current!.showModal();
    dialog.current!.querySelector<HTMLElement>("[data-autofocus]")?.focus();
  }, []);
  const submit = async (event: SubmitEvent) => {
    event.preventDefault();
    const values = Object.fromEntries(new FormData(event.currentTarget as HTMLFormElement));
    const button = (event.submitter as HTMLButtonElement | null)?.name || buttons[0][0];
    setIsSending(true);
    try {
      await onSubmit(values as Record<string, string>, button);
      dialog.current!.close();
    } catch (failure) {
      setError((failure as Error).message);
      setIsSending(false);
    }
  };
  return (
    <dialog ref={dialog} aria-labelledby="dialog-title" onClose={onClose}>
      <form onSubmit={submit}>
        <h2 id="dialog-title">{title}</h2>
        {/* Data of a disabled fieldset is not sent, but it is read before. */}
        <fieldset disabled={isSending}>{children}</fieldset>
        <p role="status" class="error-text">
          {error ? t("action_failed", { error: translated("api_error", error) }) : ""}
        </p>
        <div class="toolbar">
          {buttons.map(([name, text], index) => (
            <button
              key={name}
              name={name}
              class={index ? "" : "primary"}
              type="submit"
              formNoValidate={index > 0}
              disabled={isSending}
            >
              {text}
            </button>
          ))}
          <button type="button" onClick={() => dialog.current!.close()}>
            {t("cancel")}
          </button>
        </div>
      </form>
    </dialog>
  );
}
