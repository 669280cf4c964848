/** Client of the tab's HTTP API: GET, POST with retry, and a polling hook. */
import { useEffect, useState } from "preact/hooks";
import type { PageData } from "./api-types";
import { type Query, apiUrl } from "./api-url";
import { isPushed, onChange } from "./change-stream";

const GET_TIMEOUT_MS = 15_000;
const POST_TIMEOUT_MS = 40_000;
const POLL_MS = 5_000;
const POLL_WHILE_LOADING_MS = 1_000;
const POLL_WHILE_PUSHED_MS = 30_000;

/** By path, the kind of change after which its response may differ. */
const CHANGES: Record<string, string> = {
  activity: "activity",
  dashboard: "page",
  orders: "page",
  payments: "page",
  deliveries: "page",
  order: "page",
  product: "page",
};

/** An error response of the API. */
export class ApiError extends Error {
  constructor(
    message: string,
    readonly status: number,
  ) {
    super(message);
  }

  /** True if the request itself is invalid, so repeating it cannot help. */
  get isClientError(): boolean {
    return this.status >= 400 && this.status < 500;
  }
}

async function parseResponse<T>(response: Response): Promise<T> {
  if (response.ok) return response.json();
  const body = await response.json().catch(() => ({}));
  const detail = Array.isArray(body.detail) ? body.detail[0]?.msg : body.detail;
  throw new ApiError(detail || `${response.status} ${response.statusText}`, response.status);
}

/** The browser revalidates with the ETag it holds, so unchanged data is not transferred again. */
export const get = async <T>(path: string, query: Query = {}): Promise<T> =>
  parseResponse<T>(await fetch(apiUrl(path, query), { signal: AbortSignal.timeout(GET_TIMEOUT_MS) }));

/** POST with a request id, repeated once after a network error: the API deduplicates by that id. */
export const post = async <T>(path: string, body: object): Promise<T> => {
  const payload = JSON.stringify({ ...body, request_id: uuid7() });
  const attempt = () =>
    fetch(apiUrl(path), {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-ShopNow": "1" },
      body: payload,
      signal: AbortSignal.timeout(POST_TIMEOUT_MS),
    });
  return parseResponse<T>(
    await attempt().catch((error) => (error instanceof TypeError ? attempt() : Promise.reject(error))),
  );
};

function uuid7(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  let timestamp = Date.now();
  for (let index = 5; index >= 0; index--) {
    bytes[index] = timestamp % 256;
    timestamp = Math.floor(timestamp / 256);
  }
  bytes[6] = (bytes[6] & 0x0f) | 0x70;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}

export interface PollResult<T> {
  data: T | null;
  error: Error | null;
}

/**
 * Polls a GET endpoint while the page is visible, and at once after a change that the server pushes, which may
 * come with the data. The previous data stays until the next response arrives.
 *
 * While the server is still loading a table for the first time, it polls every second.
 */
export function usePoll<T>(path: string, query: Query = {}, intervalMs = POLL_MS): PollResult<T> {
  const url = apiUrl(path, query);
  const [result, setResult] = useState<PollResult<T>>({ data: null, error: null });
  useEffect(() => {
    let stopped = false;
    let timer = 0;
    let calls = 0;
    const change = CHANGES[path];
    const poll = async () => {
      clearTimeout(timer);
      const call = ++calls;
      const isCurrent = () => !stopped && call === calls; // a later call has newer data
      let loading = false;
      if (!document.hidden) {
        try {
          const data = await get<T>(path, query);
          loading = !!(data as Partial<PageData>).missing?.some((source) => source.why === "unread");
          if (isCurrent()) setResult({ data, error: null });
        } catch (error) {
          if (isCurrent()) setResult((previous) => ({ ...previous, error: error as Error }));
        }
      }
      const interval = change && isPushed(change) ? POLL_WHILE_PUSHED_MS : intervalMs;
      if (isCurrent()) timer = window.setTimeout(poll, loading ? POLL_WHILE_LOADING_MS : interval);
    };
    const onVisibilityChange = () => document.hidden || poll();
    poll();
    const stopListening = change
      ? onChange(change, (data) => {
          if (!data) return void poll();
          calls++; // a call that is under way has older data
          setResult({ data: data as T, error: null });
          clearTimeout(timer);
          timer = window.setTimeout(poll, POLL_WHILE_PUSHED_MS);
        })
      : null;
    document.addEventListener("visibilitychange", onVisibilityChange);
    return () => {
      stopped = true;
      stopListening?.();
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", onVisibilityChange);
    };
  }, [url, intervalMs]);
  return result;
}
