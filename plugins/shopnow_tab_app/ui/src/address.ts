/** Page and choices in the address, `#/page?name=value`, so that a reload, a link and Back show them again. */
import { useEffect, useState } from "preact/hooks";
import { setHash } from "./airflow-frame";

export type Choices = Record<string, string>;

export interface Address {
  page: string;
  choices: URLSearchParams;
}

/** Choice of a page of a table's rows, which any other choice resets. */
const TABLE_PAGE = "page";

const parse = (hash: string): Address => {
  const [page, query] = hash.replace(/^#\/?/, "").split("?", 2);
  return { page, choices: new URLSearchParams(query) };
};

/** The link to a page with these choices; those that are empty are left out. */
export function linkTo(page: string, choices: Choices = {}): string {
  const query = new URLSearchParams(Object.entries(choices).filter(([, value]) => value));
  return `#/${page}${query.size ? "?" : ""}${query}`;
}

/** The current address; the component is rendered again when it changes. */
export function useAddress(): Address {
  const [hash, setHash] = useState(location.hash);
  useEffect(() => {
    const read = () => setHash(location.hash);
    read();
    addEventListener("hashchange", read);
    return () => removeEventListener("hashchange", read);
  }, []);
  return parse(hash);
}

/**
 * Changes choices of the current page. Each change is a step in the browser's history, except a `typed` text:
 * Back should not undo every pause of the typing.
 */
export function choose(changes: Choices, { typed = false } = {}): void {
  const { page, choices } = parse(location.hash);
  const hash = linkTo(page, { ...Object.fromEntries(choices), [TABLE_PAGE]: "", ...changes });
  if (hash === location.hash) return;
  setHash(hash, { replace: typed });
}

/** A choice by its name in the address, and a function that changes it; the fallback is not in the address. */
export function useChoice(name: string, fallback = ""): [string, (value: string) => void] {
  const value = useAddress().choices.get(name) ?? fallback;
  return [value, (chosen) => choose({ [name]: chosen === fallback ? "" : chosen })];
}
