/** Translations from `locales/`, which the PDF sheets read as well. */
import en from "../../locales/en.json";
import fr from "../../locales/fr.json";
import { language, type Language } from "./preferences";

export type TextKey = keyof typeof en;
/** Prefixes of keys whose last part is a code of the API. */
export type Scope =
  | "action"
  | "action_state"
  | "alert_state"
  | "card"
  | "category"
  | "chart"
  | "delivery_stage"
  | "event"
  | "field"
  | "message_state"
  | "order_status"
  | "payment_method"
  | "payment_status"
  | "run_state"
  | "severity"
  | "source"
  | "stock_level";
/** Prefixes of keys whose English text the API returns. */
export type TextScope = "alert_facts" | "alert_subject" | "alert_title" | "alert_todo" | "api_error" | "kpi";

const PLACEHOLDER = /\{(\w+)\}/g;
const TEXTS: Record<Language, Record<string, string>> = { en, fr };

/** The text of a key in the current language, with `{name}` placeholders filled from `values`. */
export const t = (key: TextKey, values: Record<string, string | number> = {}): string =>
  TEXTS[language][key].replace(PLACEHOLDER, (_, name) => String(values[name] ?? ""));

/** A label with its value, with the punctuation of the language. */
export const labelled = (label: string, value: string): string => t("label_value", { label, value });

/** The text of an API code; a code without translation is shown with spaces for underscores. */
export const term = (scope: Scope, code: string): string =>
  TEXTS[language][`${scope}_${code}`] ?? code.replaceAll("_", " ");

/** Translates an English text of the API; a text that no template of `en.json` matches is shown unchanged. */
export function translated(scope: TextScope, text: string): string {
  if (language === "en") return text;
  for (const key of Object.keys(en) as TextKey[]) {
    const match = key.startsWith(`${scope}_`) && templatePattern(en[key]).exec(text);
    if (match) return t(key, match.groups);
  }
  return text;
}

/** A pattern that matches the texts of a template and captures the value of each placeholder. */
const templatePattern = (template: string): RegExp =>
  new RegExp(`^${template.replace(/[.*+?^$()|[\]\\]/g, "\\$&").replace(PLACEHOLDER, "(?<$1>.+?)")}$`);
