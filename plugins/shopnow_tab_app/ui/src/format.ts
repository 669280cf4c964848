/** Formats numbers, money and times in the current language. */
import { language } from "./preferences";

const NO_VALUE = "–";
const COMPACT_FROM_CENTS = 1_000_000;

export const number = (value: number | null | undefined, digits = 0): string =>
  value === null || value === undefined
    ? NO_VALUE
    : new Intl.NumberFormat(language, { maximumFractionDigits: digits }).format(value);

export const money = (cents: number | null | undefined, currency: string | null, compact = false): string => {
  if (cents === null || cents === undefined) return NO_VALUE;
  const options: Intl.NumberFormatOptions = currency ? { style: "currency", currency } : {};
  if (compact && Math.abs(cents) >= COMPACT_FROM_CENTS) {
    Object.assign(options, { notation: "compact", maximumFractionDigits: 1 });
  }
  return new Intl.NumberFormat(language, options).format(cents / 100);
};

/** A value of the API with its unit: money if the unit is "cents". */
export const amount = (
  value: number | null,
  unit: string,
  currency: string | null,
  compact = false,
): string => (unit === "cents" ? money(value, currency, compact) : number(value));

/** A relative change such as 0.12, as "+12%". */
export const percentChange = (value: number): string =>
  new Intl.NumberFormat(language, {
    style: "percent",
    maximumFractionDigits: 1,
    signDisplay: "exceptZero",
  }).format(value);

/** A UTC date or time. */
export const dateTime = (
  text: string | null | undefined,
  options: Intl.DateTimeFormatOptions = { dateStyle: "short", timeStyle: "short" },
): string =>
  text
    ? new Intl.DateTimeFormat(language === "en" ? "en-GB" : language, { ...options, timeZone: "UTC" }).format(
        new Date(text),
      )
    : NO_VALUE;

export const timeOfDay = (text: string | null): string => dateTime(text, { timeStyle: "medium" });

const UNIT_MINUTES: [Intl.RelativeTimeFormatUnit, number][] = [
  ["day", 1_440],
  ["hour", 60],
  ["minute", 1],
];

/** The time elapsed since a timestamp, in whole units of the largest unit that fits. */
export const timeAgo = (text: string): string => {
  const minutes = Math.max(Math.floor((Date.now() - Date.parse(text)) / 60_000), 0);
  const [unit, size] = UNIT_MINUTES.find(([, size]) => minutes >= size) ?? UNIT_MINUTES.at(-1)!;
  return new Intl.RelativeTimeFormat(language, { numeric: "auto" }).format(-Math.floor(minutes / size), unit);
};
