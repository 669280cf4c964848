/** Entry point: the navigation and the page of the current route. */
import { render } from "preact";
import { useEffect } from "preact/hooks";
import { linkTo, useAddress } from "./address";
import { shareHash } from "./airflow-frame";
import { usePoll } from "./api-client";
import { openStream } from "./change-stream";
import type { CurrentUser } from "./api-types";
import { ErrorBoundary } from "./error-boundary";
import { t } from "./i18n";
import { resumeGenerating, setGenerating, useSender } from "./order-sender";
import { PAGES, pageNamed } from "./page-registry";
import type { Permissions } from "./permissions";
import { usePreferences } from "./preferences";

const PERMISSIONS_POLL_MS = 15_000;

/** The user's permissions, undefined until the API has answered, and why it has not. */
function usePermissions(): [Permissions, Error | null] {
  const { data, error } = usePoll<CurrentUser>("me", {}, PERMISSIONS_POLL_MS);
  return [
    { canSend: data?.may_send, canManageAlerts: data?.may_act, canApprove: data?.may_approve },
    data ? null : error,
  ];
}

/** Says on every page that orders are generated, and ends it. */
function GeneratingBadge() {
  const { isGenerating } = useSender();
  if (!isGenerating) return null;
  return (
    <button class="small generating" onClick={() => setGenerating(false)}>
      {t("generating_orders")}
    </button>
  );
}

function App() {
  const preferences = usePreferences();
  const page = pageNamed(useAddress().page);
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
          {PAGES.filter((entry) => !entry.partOf).map((entry) => (
            <a
              key={entry.name}
              href={linkTo(entry.name)}
              aria-current={entry.name === (page.partOf ?? page.name) ? "page" : undefined}
            >
              {t(entry.titleKey)}
            </a>
          ))}
        </nav>
        <GeneratingBadge />
        <span class="secondary-text time-zone">{t("times_in_utc")}</span>
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

shareHash(linkTo(PAGES[0].name));
resumeGenerating();
render(<App />, document.getElementById("app")!);
