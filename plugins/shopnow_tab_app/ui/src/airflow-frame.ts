/** Airflow's window, in which the tab is a frame, and its address. */

/** Airflow's window; null if the tab is open on its own. */
const airflow: Window | null = window.parent === window ? null : window.parent;

/** The path of a page of Airflow: the tab is mounted next to them, which need not be at the root. */
export const airflowPath = (page: string): string => new URL(`..${page}`, location.href).pathname;

/** Navigates Airflow's own router: the sandboxed frame may not load another page of Airflow itself. */
export function navigateAirflow(path: string): void {
  if (!airflow) return location.assign(path);
  airflow.history.pushState(null, "", path);
  airflow.dispatchEvent(new PopStateEvent("popstate", { state: null }));
}

/**
 * Adds a step with this hash to the history, or replaces the current one.
 *
 * Inside Airflow the step is Airflow's: its address is the one that people see, reload and share.
 */
export function setHash(hash: string, { replace = false } = {}): void {
  const method = replace ? "replaceState" : "pushState";
  if (airflow) {
    const { pathname, search } = airflow.location;
    // Airflow's router keeps its own state in the entries.
    airflow.history[method](airflow.history.state, "", pathname + search + hash);
    history.replaceState(null, "", hash);
  } else history[method](null, "", hash);
  dispatchEvent(new HashChangeEvent("hashchange")); // the browser sends none for these methods
}

/**
 * Takes over the hash of Airflow's address, now and when it changes, and makes steps of links to other pages.
 *
 * An address without a hash gets that of the first page: Airflow copies it when the frame has loaded, so that
 * Back has a step to return to.
 */
export function shareHash(firstPage: string): void {
  addEventListener("click", (event) => {
    const link = (event.target as Element).closest?.('a[href^="#/"]');
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    setHash(link.getAttribute("href")!);
  });
  const begin = () => location.hash || history.replaceState(null, "", firstPage);
  if (!airflow) return void begin();
  const adopt = () => {
    const { hash } = airflow.location;
    if (!hash || hash === location.hash) return;
    history.replaceState(null, "", hash);
    dispatchEvent(new HashChangeEvent("hashchange"));
  };
  adopt();
  begin();
  airflow.addEventListener("popstate", adopt);
  addEventListener("pagehide", () => airflow.removeEventListener("popstate", adopt));
}
