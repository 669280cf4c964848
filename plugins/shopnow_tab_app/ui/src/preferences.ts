/** Language and color theme chosen in Airflow, which keeps both in the browser's local storage. */
import { useEffect, useState } from "preact/hooks";

export type Language = "en" | "fr";

const CHECK_MS = 1_000;

const readStorage = (key: string): string => {
  try {
    return localStorage.getItem(key) ?? "";
  } catch {
    return "";
  }
};

const darkScheme = matchMedia("(prefers-color-scheme: dark)");
const storedLanguage = (): Language => (readStorage("i18nextLng").startsWith("fr") ? "fr" : "en");
const storedTheme = (): string => {
  const theme = readStorage("theme");
  return theme === "dark" || theme === "light" ? theme : darkScheme.matches ? "dark" : "light";
};
const storedPreferences = (): string => `${storedLanguage()} ${storedTheme()}`;

export let language: Language = storedLanguage();

/** Applies the preferences to the document. Returns a value that changes whenever they change. */
export function usePreferences(): string {
  const [preferences, setPreferences] = useState(storedPreferences);
  useEffect(() => {
    const refresh = () => setPreferences(storedPreferences());
    // The storage event reports changes made in other frames only; the timer finds the rest.
    const timer = setInterval(refresh, CHECK_MS);
    addEventListener("storage", refresh);
    darkScheme.addEventListener("change", refresh);
    return () => {
      clearInterval(timer);
      removeEventListener("storage", refresh);
      darkScheme.removeEventListener("change", refresh);
    };
  }, []);
  const [currentLanguage, theme] = preferences.split(" ");
  language = currentLanguage as Language;
  document.documentElement.lang = language;
  document.documentElement.dataset.theme = theme;
  return preferences;
}
