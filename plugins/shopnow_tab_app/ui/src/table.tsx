/** Tables: columns, sorting, paging, and the state of a table whose rows the API searches and sorts. */
import type { ComponentChildren } from "preact";
import { useContext } from "preact/hooks";
import { choose, useAddress } from "./address";
import type { Query } from "./api-url";
import { RowBoundary } from "./error-boundary";
import { number } from "./format";
import { t, term } from "./i18n";
import { KnownData } from "./known-data";

export interface Column<Row> {
  /** Column in the API, or any unique name. */
  name: string;
  /** Header; by default the translation of `field_{name}`. */
  title?: string;
  cell: (row: Row) => ComponentChildren;
  alignRight?: boolean;
  /** True if the cells hold sentences, which may wrap. */
  wrap?: boolean;
}

export interface Sort {
  by: string;
  descending: boolean;
}

export interface TableProps<Row> {
  caption: string;
  columns: Column<Row>[];
  rows: Row[];
  rowKey: (row: Row) => string;
  sort?: Sort;
  onSort?: (sort: Sort) => void;
  emptyText?: string;
  /** False if it is not known whether there are rows; by default as the page's data. */
  isKnown?: boolean;
  /** True to limit the height and scroll the rows. */
  scrollRows?: boolean;
}

export function Table<Row>({
  caption,
  columns,
  rows,
  rowKey,
  sort,
  onSort,
  emptyText,
  isKnown,
  scrollRows,
}: TableProps<Row>) {
  return (
    <div class={`scroll${scrollRows ? " scroll-rows" : ""}`} tabIndex={0} role="region" aria-label={caption}>
      <table>
        <caption class="visually-hidden">{caption}</caption>
        <thead>
          <tr>
            {columns.map((column) => (
              <ColumnHeader key={column.name} column={column} sort={sort} onSort={onSort} />
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <RowBoundary key={rowKey(row)} width={columns.length}>
              {() =>
                columns.map((column) => (
                  <td key={column.name} class={column.alignRight ? "right" : column.wrap ? "wrap" : ""}>
                    {column.cell(row)}
                  </td>
                ))
              }
            </RowBoundary>
          ))}
        </tbody>
      </table>
      {rows.length ? null : <EmptyText isKnown={isKnown} text={emptyText ?? t("no_data")} />}
    </div>
  );
}

/** Says that there is nothing to show; or, while a source has not answered, that this is not known. */
export function EmptyText({ isKnown, text }: { isKnown?: boolean; text: string }) {
  const isPageKnown = useContext(KnownData);
  return <p class="empty">{(isKnown ?? isPageKnown) ? text : t("data_unknown")}</p>;
}

function ColumnHeader<Row>(props: { column: Column<Row>; sort?: Sort; onSort?: (sort: Sort) => void }) {
  const { column, sort, onSort } = props;
  const title = column.title ?? term("field", column.name);
  const isSorted = sort?.by === column.name;
  const direction = isSorted ? (sort.descending ? "descending" : "ascending") : undefined;
  return (
    <th scope="col" class={column.alignRight ? "right" : ""} aria-sort={direction}>
      {onSort ? (
        <button
          class="sort"
          onClick={() => onSort({ by: column.name, descending: isSorted ? !sort.descending : true })}
        >
          {title}
          <span aria-hidden="true">{direction ? (direction === "descending" ? " ↓" : " ↑") : ""}</span>
        </button>
      ) : (
        title
      )}
    </th>
  );
}

export const PAGE_ROWS = 25;
/** A column, after `-` if its highest value comes first. */
const NEWEST_FIRST = "-event_time";

export function Pager({
  page,
  total,
  onChange,
}: {
  page: number;
  total: number;
  onChange: (page: number) => void;
}) {
  const lastPage = Math.max(Math.ceil(total / PAGE_ROWS) - 1, 0);
  const from = total ? page * PAGE_ROWS + 1 : 0;
  const to = Math.min((page + 1) * PAGE_ROWS, total);
  return (
    <div class="pager">
      <span>{t("page_range", { from: number(from), to: number(to), total: number(total) })}</span>
      <button disabled={page <= 0} onClick={() => onChange(page - 1)} aria-label={t("previous_page")}>
        ‹
      </button>
      <button disabled={page >= lastPage} onClick={() => onChange(page + 1)} aria-label={t("next_page")}>
        ›
      </button>
    </div>
  );
}

export interface TableState {
  search: string;
  sort: Sort;
  /** Number of the page, from 0. */
  page: number;
  setSearch: (search: string) => void;
  setSort: (sort: Sort) => void;
  setPage: (page: number) => void;
}

/** The search, order and page of a table in the address; at first its newest rows. */
export function useTableState(): TableState {
  const { choices } = useAddress();
  const sort = choices.get("sort") ?? NEWEST_FIRST;
  return {
    search: choices.get("search") ?? "",
    sort: { by: sort.replace(/^-/, ""), descending: sort.startsWith("-") },
    page: Math.max(Math.trunc(Number(choices.get("page"))) || 1, 1) - 1,
    setSearch: (search) => choose({ search }, { typed: true }),
    setSort: ({ by, descending }) => choose({ sort: `${descending ? "-" : ""}${by}` }),
    setPage: (page) => choose({ page: page ? String(page + 1) : "" }),
  };
}

/** The query parameters of a table's rows, which its downloads have as well, and those of the page shown. */
export const rowQuery = ({ search, sort }: TableState): Query => ({
  search,
  sort: sort.by,
  descending: sort.descending,
});
export const pageQuery = (table: TableState): Query => ({
  ...rowQuery(table),
  page: table.page,
  size: PAGE_ROWS,
});
