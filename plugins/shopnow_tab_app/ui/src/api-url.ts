/** Addresses of the tab's HTTP API. */

export type Query = Record<string, string | number | boolean | null | undefined>;

export const apiUrl = (path: string, query: Query = {}): string => {
  const params = Object.entries(query)
    .filter(([, value]) => value !== undefined && value !== null && value !== "")
    .map(([name, value]) => [name, String(value)]);
  return `api/${path}${params.length ? "?" : ""}${new URLSearchParams(params)}`;
};
