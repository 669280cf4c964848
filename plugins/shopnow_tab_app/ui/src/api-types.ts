/** Responses of the tab's HTTP API. The API page documents each field. */

/** A source that could not be read: `why` is "absent", "unread" or an error. */
export interface MissingSource {
  what: string;
  why: string;
  as_of: string | null;
}
export interface PageData {
  as_of: string | null;
  missing: MissingSource[];
}
export interface Series {
  name: string;
  unit: string;
  values: (number | null)[];
}
export interface ChartData {
  name: string;
  labels: string[];
  series: Series[];
  /** Labels whose values are provisional in part. */
  provisional: string[];
}
export interface DagRun {
  dag_id: string;
  run_id: string;
  state: string;
  started: string | null;
  ended: string | null;
}
export interface CurrentUser {
  may_send: boolean;
  may_act: boolean;
  /** Approve restocks. */
  may_approve: boolean;
}

export interface Card {
  name: string;
  value: number | null;
  /** The part of the value that is not proved yet. */
  provisional: number;
  /** The part of the value that is as long as `before`. */
  compared: number | null;
  before: number | null;
  /** End of the part that is compared. */
  compared_until: string | null;
  unit: string;
  definition: string;
  spark: (number | null)[];
}
export interface TopProduct {
  product_id: string;
  product_name: string;
  category: string;
  orders: number;
  units: number;
  gmv_cents: number;
}
export interface ProductAtRisk {
  product_id: string;
  product_name: string;
  quantity: number;
  days_of_cover: number | null;
  reorder_point: number | null;
}
/** Sales of a product, category or country in two periods of the same length. */
export interface Driver {
  kind: "product" | "category" | "country";
  id: string;
  name: string;
  cents: number;
  before_cents: number;
}
export interface Dashboard extends PageData {
  period: [string, string];
  currency: string | null;
  cards: Card[];
  completeness: { complete: boolean; missing_rows: number | null; losses: string[]; audit: string | null };
  freshness: { computed_at: string | null; run: DagRun | null; raw_versions: Record<string, number> };
  charts: Record<string, ChartData>;
  drivers: Driver[];
  top_products: TopProduct[];
  at_risk: ProductAtRisk[];
  options: {
    first: string | null;
    last: string | null;
    currencies: string[];
    categories: string[];
    countries: string[];
  };
}

export interface TopicEvent {
  topic: string;
  partition: number;
  offset: number;
  time: string;
  event_type: string | null;
  subject: string | null;
  who: string | null;
  cents: number | null;
  currency: string | null;
  pieces: number | null;
}
export interface Activity {
  events: TopicEvent[];
  missing: MissingSource[];
}

export interface Order {
  order_id: string;
  customer_id: string;
  customer_name: string;
  country: string;
  product: string;
  products: number;
  units: number;
  total_cents: number;
  currency: string;
  event_time: string;
  status: string;
  provisional: boolean;
}
export interface Orders extends PageData {
  rows: Order[];
  total: number;
  statuses: Record<string, number>;
}
export interface CatalogueProduct {
  product_id: string;
  name: string;
  category: string;
  price_cents: number;
}

export interface Payment {
  payment_id: string;
  order_id: string;
  method: string;
  amount_cents: number;
  currency: string;
  attempt: number;
  status: string;
  reason: string | null;
  event_time: string;
  provisional: boolean;
}
export interface Payments extends PageData {
  period: [string, string];
  rows: Payment[];
  total: number;
  charts: Record<string, ChartData>;
}

/** Position of a sent order or payment in Kafka. */
export interface SendReceipt {
  service: string;
  topic: string;
  partition: number;
  offset: number;
  event_id: string;
  event_type: string;
  subject: string;
  cents: number;
  currency: string;
}

export interface Delivery {
  delivery_id: string;
  order_id: string;
  address: string;
  stage: string;
  promised_at: string;
  progress: number;
  event_time: string;
  created_at: string | null;
  shipped_at: string | null;
  delivered_at: string | null;
  overdue: boolean;
  provisional: boolean;
}
export interface Deliveries extends PageData {
  period: [string, string];
  rows: Delivery[];
  total: number;
  stages: Record<string, number>;
  overdue: number;
  charts: Record<string, ChartData>;
}

export interface StockItem {
  product_id: string;
  product_name: string;
  quantity: number;
  demand_per_day: number | null;
  days_of_cover: number | null;
  reorder_point: number | null;
  safety_stock: number | null;
  below_reorder_point: boolean | null;
  level: "ok" | "low" | "out";
  last_event_time: string;
}
export interface OrderStep {
  event_type: string;
  event_time: string;
  method: string | null;
  amount_cents: number | null;
  currency: string | null;
  attempt: number | null;
  reason: string | null;
  promised_at: string | null;
  provisional: boolean;
}
export interface OrderDetail extends PageData {
  order: Order | null;
  customer_orders: number;
  steps: OrderStep[];
}

export interface StockOut {
  started_at: string;
  ended_at: string | null;
  lost_units: number | null;
  lost_cents: number | null;
  currency: string | null;
}
export interface ProductDetail extends PageData {
  period: [string, string];
  currency: string | null;
  shelf: StockItem | null;
  category: string | null;
  units: number;
  gmv_cents: number;
  charts: Record<string, ChartData>;
  stock_outs: StockOut[];
  alerts: Alert[];
}

export interface Alert {
  fingerprint: string;
  rule: string;
  severity: string;
  state: string;
  subject: string | null;
  subject_name: string | null;
  facts: string | null;
  title: string | null;
  todo: string | null;
  since: string | null;
  by: string | null;
  reason: string | null;
  /** Pieces in stock now; this and the following are null unless the alert is about a product. */
  on_hand: number | null;
  days_of_cover: number | null;
  /** Sales expected to be lost before a delivery that is ordered now arrives. */
  at_risk_cents: number | null;
  currency: string | null;
  order_pieces: number | null;
  /** When to order, so that the delivery arrives in time; null if that is too late. */
  order_by: string | null;
  /** The latest proposal to order it; null if it waits for others. */
  approval: { run: string; is_open: boolean } | null;
}
export interface Silence {
  target: string;
  until: string;
  by: string | null;
  reason: string | null;
}
/** An acknowledgement or silence, with the DAG run that executes it. */
export interface AlertAction {
  action: string;
  alert: string;
  by: string | null;
  run: DagRun;
  refused: string | null;
}
export interface Message {
  dedup_key: string;
  channel: string | null;
  state: string;
  at: string;
  reason: string | null;
  about: string[];
}
export interface Stock extends PageData {
  shelves: StockItem[];
  alerts: Alert[];
  silences: Silence[];
  acts: AlertAction[];
  /** Number of alerts that another one explains. */
  inhibited: number;
  resolved: number;
  messages: Message[];
  lost_cents: Record<string, number>;
}

export interface Topic {
  topic: string;
  records: number | null;
  lag: number | null;
  held_back: number | null;
  raw: number | null;
  quarantined: number;
  events: number | null;
  partitions: { partition: number; earliest: number; stable: number; landed: number | null; lag: number }[];
}
export interface Batch {
  topic: string;
  version: number;
  committed_at: string;
  rows: number;
  quarantined: number;
  ranges: string[];
  first_event_time: string | null;
  last_event_time: string | null;
}
export interface QuarantineReason {
  reason: string;
  topic: string;
  records: number;
  examples: { partition: number; offset: number; timestamp: string | null; problem: string; value: string }[];
}
export interface DataLoss {
  topic: string;
  partition: number;
  kind: string;
  start_offset: number;
  end_offset: number | null;
  missing_rows: number | null;
  reason: string;
  acknowledged_by: string;
  committed_at: string;
}
export interface Dag {
  dag_id: string;
  description: string | null;
  paused: boolean;
  run: DagRun | null;
}
export interface KpiTable {
  table: string;
  title: string;
  version: number | null;
  rows: number | null;
  computed_at: string | null;
}
export interface Pipeline extends PageData {
  topics: Topic[];
  batches: Batch[];
  quarantine: QuarantineReason[];
  losses: DataLoss[];
  alerts: number;
  dags: Dag[];
  kpis: KpiTable[];
}
export interface ComputedTable {
  table: string;
  rows: number;
  first: string | null;
  last: string | null;
  missing_rows: number | null;
}
export interface RunDetail extends PageData {
  run: DagRun | null;
  batches: Batch[];
  computed: ComputedTable[];
}
