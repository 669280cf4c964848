/** Entry point: the navigation and the page of the current route. */
import { render } from "preact";
import { useEffect, useState } from "preact/hooks";
import { usePoll } from "./api-client";
import { openStream } from "./change-stream";
import type { CurrentUser } from "./api-types";
import { ErrorBoundary } from "./error-boundary";
import { t } from "./i18n";
import { PAGES, pageAt, routeOf } from "./page-registry";
import type { Permissions } from "./permissions";
import { usePreferences } from "./preferences";

const PERMISSIONS_POLL_MS = 15_000;

function usePage() {
  const [page, setPage] = useState(() => pageAt(location.hash));
  useEffect(() => {
    const onHashChange = () => setPage(pageAt(location.hash));
    addEventListener("hashchange", onHashChange);
    return () => removeEventListener("hashchange", onHashChange);
  }, []);
  return page;
}

/** The user's permissions, undefined until the API has answered, and why it has not. */
function usePermissions(): [Permissions, Error | null] {
  const { data, error } = usePoll<CurrentUser>("me", {}, PERMISSIONS_POLL_MS);
  return [{ canSend: data?.may_send, canManageAlerts: data?.may_act }, data ? null : error];
}

function App() {
  const preferences = usePreferences();
  const page = usePage();
  const [permissions, permissionError] = usePermissions();
  useEffect(() => (page.isStreamed === false ? undefined : openStream(page.name)), [page]);
  useEffect(
    () =>
      document
        .querySelector(".navigation [aria-current]")
        ?.scrollIntoView({ block: "nearest", inline: "center" }),
    [page],
  );
  // The hash holds the route, so the skip link moves the focus itself.
  const skipToContent = (event: Event) => {
    event.preventDefault();
    document.getElementById("main")?.focus();
  };
  const Page = page.component;
  return (
    <>
      <a class="skip-link" href="#main" onClick={skipToContent}>
        {t("skip_to_content")}
      </a>
      <header class="navigation">
        <nav aria-label={t("navigation")}>
          {PAGES.map((entry) => (
            <a key={entry.name} href={routeOf(entry)} aria-current={entry === page ? "page" : undefined}>
              {t(entry.titleKey)}
            </a>
          ))}
        </nav>
      </header>
      <main id="main" tabIndex={-1} key={`${page.name} ${preferences}`}>
        <h1 class="visually-hidden">{t(page.titleKey)}</h1>
        {permissionError ? (
          <div role="status" class="notices">
            <p>{t("permissions_unknown", { error: permissionError.message })}</p>
          </div>
        ) : null}
        <ErrorBoundary>
          <Page {...permissions} />
        </ErrorBoundary>
      </main>
    </>
  );
}

render(<App />, document.getElementById("app")!);
