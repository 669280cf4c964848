/** Airflow's own API, which the tab's pages call with the user's session and rights. */
import { airflowPath } from "./airflow-frame";

const TIMEOUT_MS = 15_000;

export interface Question {
  dag: string;
  run: string;
  task: string;
}

interface QuestionDetail {
  params: Record<string, { value: unknown }>;
}

/** Answers a task that waits for a person, with the values of those params that differ from what it suggests. */
export async function answerApproval(
  { dag, run, task }: Question,
  option: string,
  changed: Record<string, string | number>,
): Promise<void> {
  const instance = `dags/${dag}/dagRuns/${encodeURIComponent(run)}/taskInstances/${task}/-1`;
  const path = airflowPath(`/api/v2/${instance}/hitlDetails`);
  const { params } = await request<QuestionDetail>(path);
  // Airflow accepts an answer only with all of them.
  const suggested = Object.fromEntries(Object.entries(params).map(([name, { value }]) => [name, value]));
  const answer = { chosen_options: [option], params_input: { ...suggested, ...changed } };
  await request(path, {
    method: "PATCH",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(answer),
  });
}

async function request<T>(path: string, options: RequestInit = {}): Promise<T> {
  const response = await fetch(path, { ...options, signal: AbortSignal.timeout(TIMEOUT_MS) });
  if (response.ok) return response.json();
  const { detail } = await response.json().catch(() => ({ detail: null }));
  const reason = typeof detail === "string" ? detail : (detail?.message ?? JSON.stringify(detail));
  throw new Error(reason || `${response.status} ${response.statusText}`);
}
