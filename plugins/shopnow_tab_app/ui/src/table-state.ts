/** State of a searchable, sortable and paged table. */
import { useState } from "preact/hooks";
import type { Query } from "./api-client";
import { PAGE_ROWS, type Sort } from "./components";

export interface TableState {
  search: string;
  sort: Sort;
  page: number;
  /** Query parameters for the API. */
  query: Query;
  setSearch: (search: string) => void;
  setSort: (sort: Sort) => void;
  setPage: (page: number) => void;
  /** Wraps a setter of another filter, which also goes back to the first page. */
  resetsPage: <Value>(setValue: (value: Value) => void) => (value: Value) => void;
}

/** The newest rows first, until the user sorts by another column. */
export function useTableState(): TableState {
  const [search, setSearch] = useState("");
  const [sort, setSort] = useState<Sort>({ by: "event_time", descending: true });
  const [page, setPage] = useState(0);
  const resetsPage =
    <Value>(setValue: (value: Value) => void) =>
    (value: Value) => {
      setValue(value);
      setPage(0);
    };
  return {
    search,
    sort,
    page,
    query: { search, page, size: PAGE_ROWS, sort: sort.by, descending: sort.descending },
    setSearch: resetsPage(setSearch),
    setSort: resetsPage(setSort),
    setPage,
    resetsPage,
  };
}
