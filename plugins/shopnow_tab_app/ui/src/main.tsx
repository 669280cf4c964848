import { render } from "preact";
import { useEffect, useState } from "preact/hooks";
import { get } from "./api";
import { ApiPage } from "./pages/api";
import { DashboardPage } from "./pages/dashboard";
import { DeliveriesPage } from "./pages/deliveries";
import { OrdersPage } from "./pages/orders";
import { PaymentsPage } from "./pages/payments";
import { PipelinePage } from "./pages/pipeline";
import { StockPage } from "./pages/stock";
import { t, useSettings } from "./settings";

export interface Shown { maySend: boolean; mayAct: boolean }

const PAGES = {
  dashboard: DashboardPage,
  orders: OrdersPage,
  payments: PaymentsPage,
  deliveries: DeliveriesPage,
  stock: StockPage,
  pipeline: PipelinePage,
  api: ApiPage,
};
type Name = keyof typeof PAGES;

const chosen = (): Name => {
  const name = location.hash.replace(/^#\/?/, "");
  return name in PAGES ? (name as Name) : "dashboard";
};

function App() {
  const settings = useSettings();
  const [name, setName] = useState(chosen);
  const [may, setMay] = useState<Shown>({ maySend: false, mayAct: false });
  useEffect(() => {
    const follow = () => setName(chosen());
    addEventListener("hashchange", follow);
    get<{ may_send: boolean; may_act: boolean }>("me").then((me) => setMay({ maySend: me.may_send, mayAct: me.may_act }), () => {});
    return () => removeEventListener("hashchange", follow);
  }, []);
  useEffect(() => document.querySelector(".top [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" }), [name]);
  const Page = PAGES[name];
  return (
    <>
      <a class="skip" href="#main" onClick={(event) => (event.preventDefault(), document.getElementById("main")?.focus())}>{t("skip")}</a>
      <header class="top">
        <nav aria-label={t("pages")}>
          {(Object.keys(PAGES) as Name[]).map((each) => (
            <a key={each} href={`#/${each}`} aria-current={each === name ? "page" : undefined}>{t(`page_${each}`)}</a>
          ))}
        </nav>
      </header>
      <main id="main" tabIndex={-1} key={`${name} ${settings}`}>
        <h1 class="hidden">{t(`page_${name}`)}</h1>
        <Page {...may} />
      </main>
    </>
  );
}

render(<App />, document.getElementById("app")!);
