/** The pages of the tab in navigation order. */
import type { ComponentType } from "preact";
import type { TextKey } from "./i18n";
import { ApiReferencePage } from "./pages/api-reference";
import { DashboardPage } from "./pages/dashboard";
import { DeliveriesPage } from "./pages/deliveries";
import { OrdersPage } from "./pages/orders";
import { PaymentsPage } from "./pages/payments";
import { PipelinePage } from "./pages/pipeline";
import { StockPage } from "./pages/stock";
import type { Permissions } from "./permissions";

export interface PageEntry {
  name: string;
  titleKey: TextKey;
  component: ComponentType<Permissions>;
  /** False if its data never changes. */
  isStreamed?: boolean;
}

export const PAGES: PageEntry[] = [
  { name: "dashboard", titleKey: "page_dashboard", component: DashboardPage },
  { name: "orders", titleKey: "page_orders", component: OrdersPage },
  { name: "payments", titleKey: "page_payments", component: PaymentsPage },
  { name: "deliveries", titleKey: "page_deliveries", component: DeliveriesPage },
  { name: "stock", titleKey: "page_stock", component: StockPage },
  { name: "pipeline", titleKey: "page_pipeline", component: PipelinePage },
  { name: "api", titleKey: "page_api", component: ApiReferencePage, isStreamed: false },
];

/** The page of this name; the first page if there is none. */
export const pageNamed = (name: string): PageEntry => PAGES.find((page) => page.name === name) ?? PAGES[0];
