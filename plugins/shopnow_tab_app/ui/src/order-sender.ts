/** Sending of orders, also one after another while the user looks at other pages or reloads the tab. */
import { useEffect, useState } from "preact/hooks";
import { post } from "./api-client";
import type { SendReceipt } from "./api-types";

const INTERVAL_MS = 2_000;
/** Key in the session storage, which a reload keeps and another tab of the browser does not share. */
const STORED = "shopnow-generating-orders";

export interface SenderState {
  /** True while orders are generated. */
  isGenerating: boolean;
  /** Number of orders sent since the tab was opened. */
  created: number;
  receipt: SendReceipt | null;
  error: string | null;
}

let state: SenderState = { isGenerating: false, created: 0, receipt: null, error: null };
let timer = 0;
/** Number of times that the generation was started or ended. */
let switches = 0;
const listeners = new Set<(state: SenderState) => void>();

function change(changes: Partial<SenderState>): void {
  state = { ...state, ...changes };
  listeners.forEach((listener) => listener(state));
}

export function useSender(): SenderState {
  const [current, setCurrent] = useState(state);
  useEffect(() => {
    setCurrent(state);
    listeners.add(setCurrent);
    return () => void listeners.delete(setCurrent);
  }, []);
  return current;
}

/** Sends an order. Returns whether it was received. */
export async function sendOrder(order: object): Promise<boolean> {
  try {
    const receipt = await post<SendReceipt>("orders", order);
    change({ receipt, error: null, created: state.created + 1 });
    return true;
  } catch (failure) {
    change({ error: (failure as Error).message });
    return false;
  }
}

/** Starts or ends the generation of an order every two seconds; it ends by itself once an order fails. */
export function setGenerating(isGenerating: boolean): void {
  clearTimeout(timer);
  switches++;
  if (isGenerating) sessionStorage.setItem(STORED, "1");
  else sessionStorage.removeItem(STORED);
  change({ isGenerating });
  if (isGenerating) void generate();
}

async function generate(): Promise<void> {
  const [started, before] = [Date.now(), switches];
  const received = await sendOrder({});
  if (switches !== before) return;
  if (!received) return setGenerating(false);
  timer = window.setTimeout(generate, Math.max(INTERVAL_MS - (Date.now() - started), 0));
}

/** Goes on as before the tab was reloaded. */
export const resumeGenerating = (): void => {
  if (sessionStorage.getItem(STORED)) setGenerating(true);
};
