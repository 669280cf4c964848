/** The pages of the tab in navigation order. */
import type { ComponentType } from "preact";
import type { TextKey } from "./i18n";
import { ApiReferencePage } from "./pages/api-reference";
import { DashboardPage } from "./pages/dashboard";
import { DeliveriesPage } from "./pages/deliveries";
import { OrderPage } from "./pages/order";
import { OrdersPage } from "./pages/orders";
import { PaymentsPage } from "./pages/payments";
import { PipelinePage } from "./pages/pipeline";
import { ProductPage } from "./pages/product";
import { RunPage } from "./pages/run";
import { StockPage } from "./pages/stock";
import type { Permissions } from "./permissions";

export interface PageEntry {
  name: string;
  titleKey: TextKey;
  component: ComponentType<Permissions>;
  /** Name of the page in the navigation that is current while this one is open; itself by default. */
  partOf?: string;
  /** False if its data never changes. */
  isStreamed?: boolean;
}

export const PAGES: PageEntry[] = [
  { name: "dashboard", titleKey: "page_dashboard", component: DashboardPage },
  { name: "orders", titleKey: "page_orders", component: OrdersPage },
  { name: "order", titleKey: "page_order", component: OrderPage, partOf: "orders" },
  { name: "payments", titleKey: "page_payments", component: PaymentsPage },
  { name: "deliveries", titleKey: "page_deliveries", component: DeliveriesPage },
  { name: "stock", titleKey: "page_stock", component: StockPage },
  { name: "product", titleKey: "page_product", component: ProductPage, partOf: "stock" },
  { name: "pipeline", titleKey: "page_pipeline", component: PipelinePage },
  { name: "run", titleKey: "page_run", component: RunPage, partOf: "pipeline" },
  { name: "api", titleKey: "page_api", component: ApiReferencePage, isStreamed: false },
];

/** The page of this name; the first page if there is none. */
export const pageNamed = (name: string): PageEntry => PAGES.find((page) => page.name === name) ?? PAGES[0];
