/** Whether the sources of a panel's data have answered: only then does an empty table mean that there is none. */
import { createContext } from "preact";
import type { PageData } from "./api-types";

export const KnownData = createContext(true);

/** True if a response has arrived and lacks no source but tables that do not exist yet. */
export const isKnown = (data: Pick<PageData, "missing"> | null): boolean =>
  !!data && data.missing.every((source) => source.why === "absent");
