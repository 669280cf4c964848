/** Language and colours, as Airflow's own pages have them: both keep their setting in the browser's local storage. */
import { useEffect, useState } from "preact/hooks";
import en from "./words/en.json";
import fr from "./words/fr.json";

type Word = keyof typeof en;
const WORDS: Record<string, Record<Word, string>> = { en, fr };

const stored = (key: string): string => {
  try {
    return localStorage.getItem(key) ?? "";
  } catch {
    return "";
  }
};

const chosenLanguage = () => (stored("i18nextLng").startsWith("fr") ? "fr" : "en");
const dark = matchMedia("(prefers-color-scheme: dark)");
const chosenTheme = () => {
  const theme = stored("theme");
  return theme === "dark" || theme === "light" ? theme : dark.matches ? "dark" : "light";
};

export let language = chosenLanguage();

/** Has the page follow the settings; gives a value that changes with them. */
export function useSettings(): string {
  const [settings, set] = useState(() => `${chosenLanguage()} ${chosenTheme()}`);
  useEffect(() => {
    const look = () => set(`${chosenLanguage()} ${chosenTheme()}`);
    // What another frame stores is told; what it does not tell is looked for now and then.
    const timer = setInterval(look, 1_000);
    addEventListener("storage", look);
    dark.addEventListener("change", look);
    return () => {
      clearInterval(timer);
      removeEventListener("storage", look);
      dark.removeEventListener("change", look);
    };
  }, []);
  language = settings.split(" ")[0];
  document.documentElement.lang = language;
  document.documentElement.dataset.theme = settings.split(" ")[1];
  return settings;
}

/** A word in the language chosen; one nobody has translated as it is. */
export const t = (word: string, filled: Record<string, string | number> = {}): string =>
  (WORDS[language][word as Word] ?? word.replaceAll("_", " ")).replace(/\{(\w+)\}/g, (_, name) => String(filled[name] ?? ""));

export const number = (value: number | null | undefined, digits = 0): string =>
  value === null || value === undefined ? "–" : new Intl.NumberFormat(language, { maximumFractionDigits: digits }).format(value);

export const money = (cents: number | null | undefined, currency: string | null, short = false): string => {
  if (cents === null || cents === undefined) return "–";
  const shape: Intl.NumberFormatOptions = currency ? { style: "currency", currency } : {};
  const size: Intl.NumberFormatOptions = short && Math.abs(cents) >= 1_000_000 ? { notation: "compact", maximumFractionDigits: 1 } : {};
  return new Intl.NumberFormat(language, { ...shape, ...size }).format(cents / 100);
};

export const amount = (value: number | null, unit: string, currency: string | null, short = false): string =>
  unit === "cents" ? money(value, currency, short) : number(value);

export const share = (value: number | null): string =>
  value === null ? "–" : new Intl.NumberFormat(language, { style: "percent", maximumFractionDigits: 1, signDisplay: "exceptZero" }).format(value);

/** A time or day, UTC. */
export const when = (text: string | null | undefined, shape: Intl.DateTimeFormatOptions = { dateStyle: "short", timeStyle: "short" }): string =>
  text ? new Intl.DateTimeFormat(language === "en" ? "en-GB" : language, { ...shape, timeZone: "UTC" }).format(new Date(text)) : "–";

export const time = (text: string | null): string => when(text, { timeStyle: "medium" });

const UNITS: [Intl.RelativeTimeFormatUnit, number][] = [["day", 1_440], ["hour", 60], ["minute", 1]];

/** How long ago a time is, in the largest unit that is full. */
export const ago = (text: string): string => {
  const minutes = Math.max(Math.floor((Date.now() - Date.parse(text)) / 60_000), 0);
  const [unit, size] = UNITS.find(([, size]) => minutes >= size) ?? UNITS.at(-1)!;
  return new Intl.RelativeTimeFormat(language, { numeric: "auto" }).format(-Math.floor(minutes / size), unit);
};
