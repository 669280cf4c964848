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
 * Keeps the hash of the frame's address in Airflow's, which is the one that people see, reload and share, and
 * takes over the hash of an address that somebody has opened.
 */
export function shareHash(): void {
  if (!airflow) return;
  const adopt = () => {
    const { hash } = airflow.location;
    if (!hash || hash === location.hash) return;
    history.replaceState(null, "", hash);
    dispatchEvent(new HashChangeEvent("hashchange"));
  };
  adopt();
  addEventListener("hashchange", () => {
    if (airflow.location.hash === location.hash) return;
    const { pathname, search } = airflow.location;
    // Airflow's router keeps its own state in the entry.
    airflow.history.replaceState(airflow.history.state, "", pathname + search + location.hash);
  });
  airflow.addEventListener("hashchange", adopt);
  addEventListener("pagehide", () => airflow.removeEventListener("hashchange", adopt));
}
