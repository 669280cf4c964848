/** The period of a page, chosen by the user and kept in the address. */
import { choose, useAddress } from "./address";
import type { Query } from "./api-url";
import { ButtonGroup, type Option } from "./components";
import { t } from "./i18n";

const CUSTOM = "custom";

/** Choices of a period by what they are called in the address: numbers of days, presets of the API, or dates. */
const LABELS = {
  today: () => t("period_today"),
  yesterday: () => t("period_yesterday"),
  "7": () => t("period_7_days"),
  "30": () => t("period_30_days"),
  week: () => t("period_week"),
  month: () => t("period_month"),
  all: () => t("period_all"),
  [CUSTOM]: () => t("period_custom"),
};
export type PeriodName = keyof typeof LABELS;

/** The query parameters of the chosen period. */
export function usePeriod(fallback: PeriodName): Query {
  const { choices } = useAddress();
  const period = choices.get("period") ?? fallback;
  if (period === CUSTOM) return { from: choices.get("from"), to: choices.get("to") };
  return /^\d+$/.test(period) ? { days: period } : { preset: period };
}

export function PeriodChoice({ names, fallback }: { names: PeriodName[]; fallback: PeriodName }) {
  const { choices } = useAddress();
  const period = choices.get("period") ?? fallback;
  const [from, to] = [choices.get("from") ?? "", choices.get("to") ?? ""];
  return (
    <>
      <ButtonGroup
        label={t("period")}
        value={period}
        onChange={(name) => choose({ period: name === fallback ? "" : name, from: "", to: "" })}
        options={[...names, CUSTOM as PeriodName].map((name): Option => [name, LABELS[name]()])}
      />
      {period === CUSTOM ? (
        <>
          <DateInput label={t("date_from")} value={from} max={to} onChange={(day) => choose({ from: day })} />
          <DateInput label={t("date_to")} value={to} min={from} onChange={(day) => choose({ to: day })} />
        </>
      ) : null}
    </>
  );
}

interface DateInputProps {
  label: string;
  value: string;
  min?: string;
  max?: string;
  onChange: (value: string) => void;
}

const DateInput = ({ label, value, min, max, onChange }: DateInputProps) => (
  <label class="labelled-control">
    <span>{label}</span>
    <input
      type="date"
      value={value}
      min={min || undefined}
      max={max || undefined}
      onChange={(event) => onChange(event.currentTarget.value)}
    />
  </label>
);
