/** What the API answers, and how it is asked. Definitions in words are on the API page. */
import { useEffect, useRef, useState } from "preact/hooks";

export interface Missing { what: string; why: string; as_of: string | null }
export interface Answer { as_of: string | null; missing: Missing[] }
export interface Series { name: string; unit: string; values: (number | null)[] }
export interface ChartData { name: string; labels: string[]; series: Series[] }
export interface Run { dag_id: string; run_id: string; state: string; started: string | null; ended: string | null }
export interface Card { name: string; value: number | null; before: number | null; unit: string; definition: string; spark: (number | null)[] }
export interface Product { product_id: string; product_name: string; category: string; orders: number; units: number; gmv_cents: number }
export interface AtRisk { product_id: string; product_name: string; quantity: number; days_of_cover: number | null; reorder_point: number | null }
export interface Dashboard extends Answer {
  period: [string, string];
  currency: string | null;
  cards: Card[];
  completeness: { complete: boolean; missing_rows: number | null; losses: string[]; audit: string | null };
  freshness: { computed_at: string | null; run: Run | null; raw_versions: Record<string, number> };
  charts: Record<string, ChartData>;
  top_products: Product[];
  at_risk: AtRisk[];
  options: { first: string | null; last: string | null; currencies: string[]; categories: string[]; countries: string[] };
}
export interface Event {
  topic: string; partition: number; offset: number; time: string; event_type: string | null; subject: string | null;
  who: string | null; cents: number | null; currency: string | null; pieces: number | null;
}
export interface Activity { events: Event[]; missing: Missing[] }
export interface Order {
  order_id: string; customer_name: string; country: string; product: string; products: number; units: number; total_cents: number;
  currency: string; event_time: string; status: string;
}
export interface Orders extends Answer { rows: Order[]; total: number; statuses: Record<string, number> }
export interface Payment {
  payment_id: string; order_id: string; method: string; amount_cents: number; currency: string; attempt: number; status: string;
  reason: string | null; event_time: string;
}
export interface Payments extends Answer { period: [string, string]; rows: Payment[]; total: number; charts: Record<string, ChartData> }
export interface Delivery {
  delivery_id: string; order_id: string; address: string; stage: string; promised_at: string; progress: number; event_time: string;
  created_at: string | null; shipped_at: string | null; delivered_at: string | null; overdue: boolean;
}
export interface Deliveries extends Answer {
  period: [string, string]; rows: Delivery[]; total: number; stages: Record<string, number>; overdue: number; charts: Record<string, ChartData>;
}
export interface Shelf {
  product_id: string; product_name: string; quantity: number; demand_per_day: number | null; days_of_cover: number | null;
  reorder_point: number | null; safety_stock: number | null; below_reorder_point: boolean | null; last_event_time: string;
}
export interface Alert {
  fingerprint: string; rule: string; severity: string; state: string; subject: string | null; subject_name: string | null;
  facts: string | null; title: string | null; todo: string | null; since: string | null; by: string | null; reason: string | null;
}
export interface Silence { target: string; until: string; by: string | null; reason: string | null }
export interface Act { action: string; alert: string; by: string | null; run: Run; refused: string | null }
export interface Message { dedup_key: string; channel: string | null; state: string; at: string; reason: string | null; about: string[] }
export interface Stock extends Answer {
  shelves: Shelf[]; alerts: Alert[]; silences: Silence[]; acts: Act[]; resolved: number; messages: Message[]; lost_cents: Record<string, number>;
}
export interface Topic {
  topic: string; records: number | null; lag: number | null; raw: number | null; quarantined: number; events: number | null;
  partitions: { partition: number; earliest: number; stable: number; landed: number | null; lag: number }[];
}
export interface Batch {
  topic: string; version: number; committed_at: string; rows: number; quarantined: number; ranges: string[];
  first_event_time: string | null; last_event_time: string | null;
}
export interface Reason {
  reason: string; topic: string; records: number;
  examples: { partition: number; offset: number; timestamp: string | null; problem: string; value: string }[];
}
export interface Loss {
  topic: string; partition: number; kind: string; start_offset: number; end_offset: number | null; missing_rows: number | null;
  reason: string; acknowledged_by: string; committed_at: string;
}
export interface Dag { dag_id: string; description: string | null; paused: boolean; run: Run | null }
export interface Pipeline extends Answer {
  topics: Topic[]; batches: Batch[]; quarantine: Reason[]; losses: Loss[]; alerts: number; dags: Dag[];
  kpis: { table: string; title: string; version: number | null; rows: number | null; computed_at: string | null }[];
}
export interface Receipt {
  service: string; topic: string; partition: number; offset: number; event_id: string; event_type: string; subject: string; cents: number; currency: string;
}
export interface Sold { product_id: string; name: string; category: string; price_cents: number }

export type Query = Record<string, string | number | boolean | null | undefined>;

export const address = (path: string, query: Query = {}): string => {
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== null && value !== "");
  return `api/${path}${given.length ? "?" : ""}${new URLSearchParams(given.map(([name, value]) => [name, String(value)]))}`;
};

async function read<T>(response: Response): Promise<T> {
  if (response.ok) return response.json();
  const said = await response.json().catch(() => ({}));
  const detail = Array.isArray(said.detail) ? said.detail[0]?.msg : said.detail;
  throw new Error(detail || `${response.status} ${response.statusText}`);
}

/** The browser asks with the ETag it has, so what has not changed is not sent again. */
export const get = async <T>(path: string, query: Query = {}): Promise<T> =>
  read<T>(await fetch(address(path, query), { signal: AbortSignal.timeout(15_000) }));

export const send = async <T>(path: string, body: object): Promise<T> => {
  const headers = { "Content-Type": "application/json", "X-ShopNow": "1" };
  const again = () => fetch(address(path), { method: "POST", headers, body: JSON.stringify({ ...body, request_id: id }), signal: AbortSignal.timeout(40_000) });
  const id = uuid7();
  // Asked for once more if the answer was lost: under the same id it is sent once.
  return read<T>(await again().catch((error) => (error instanceof TypeError ? again() : Promise.reject(error))));
};

function uuid7(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  let now = Date.now();
  for (let at = 5; at >= 0; at--, now = Math.floor(now / 256)) bytes[at] = now % 256;
  bytes[6] = (bytes[6] & 0x0f) | 0x70;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = Array.from(bytes, (each) => each.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}

export interface Read<T> { data: T | null; error: string | null; reload: () => void }

/** What the API answers, asked for again every so many ms while the page is seen; the answer before stays until the next is there. */
export function usePoll<T>(path: string, query: Query = {}, every = 5_000): Read<T> {
  const asked = address(path, query);
  const [state, setState] = useState<{ asked: string; data: T | null; error: string | null }>({ asked, data: null, error: null });
  const again = useRef<() => void>(() => {});
  useEffect(() => {
    let over = false;
    let timer = 0;
    const ask = async () => {
      clearTimeout(timer);
      let unread = false;
      if (!document.hidden) {
        try {
          const data = await get<T>(path, query);
          unread = !!(data as Partial<Answer>).missing?.some((each) => each.why === "unread");
          if (!over) setState({ asked, data, error: null });
        } catch (error) {
          if (!over) setState((before) => ({ ...before, error: (error as Error).message }));
        }
      }
      if (!over) timer = window.setTimeout(ask, unread ? 1_000 : every);
    };
    const seen = () => document.hidden || ask();
    again.current = ask;
    ask();
    document.addEventListener("visibilitychange", seen);
    return () => {
      over = true;
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", seen);
    };
  }, [asked, every]);
  return { data: state.data, error: state.error, reload: () => again.current() };
}
