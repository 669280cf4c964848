/** The server's stream of changes: one connection while the page is visible, shared by all that polls. */
import { apiUrl } from "./api-url";

/** Called with the new data if the server has sent it, else with null. */
type Listener = (data: object | null) => void;

/** Kinds of changes, and whether they come with data: the newest events; that the page's tables changed. */
const KINDS = { activity: true, page: false };
const RETRY_MS = 15_000;

const listeners = new Map<string, Set<Listener>>();
let isOpen = false;

/** True while changes are pushed, so that polling can be rare. */
export const isPushed = (kind: string): boolean => isOpen && listeners.has(kind);

/** Calls the listener on each change of a kind; returns a function that ends this. */
export function onChange(kind: string, listener: Listener): () => void {
  const group = listeners.get(kind) ?? new Set();
  listeners.set(kind, group.add(listener));
  return () => group.delete(listener);
}

/** Keeps the stream of a page open while the page is visible; returns a function that closes it. */
export function openStream(page: string): () => void {
  let source: EventSource | null = null;
  let timer = 0;
  const close = () => {
    clearTimeout(timer);
    source?.close();
    source = null;
    isOpen = false;
  };
  const open = () => {
    close();
    if (document.hidden) return; // a browser has few connections to a server, and hidden pages show nothing
    source = new EventSource(apiUrl("changes", { page }));
    source.onopen = () => {
      isOpen = true;
      listeners.forEach((group) => group.forEach((listener) => listener(null))); // changes missed before
    };
    source.onerror = () => {
      isOpen = false; // polling goes on as before
      // The browser reconnects by itself unless the server has refused.
      if (source?.readyState === EventSource.CLOSED) timer = window.setTimeout(open, RETRY_MS);
    };
    for (const [kind, hasData] of Object.entries(KINDS)) {
      source.addEventListener(kind, (event) => {
        const data = hasData ? JSON.parse((event as MessageEvent).data) : null;
        listeners.get(kind)?.forEach((listener) => listener(data));
      });
    }
  };
  open();
  document.addEventListener("visibilitychange", open);
  return () => {
    document.removeEventListener("visibilitychange", open);
    close();
  };
}
