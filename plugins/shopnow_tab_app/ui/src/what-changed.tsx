/** The products, categories and countries whose sales changed most since the previous period. */
import { choose } from "./address";
import type { Driver } from "./api-types";
import { Panel } from "./components";
import { money, percentChange } from "./format";
import { t, term } from "./i18n";
import { ProductLink } from "./links";
import { Table } from "./table";

export const WhatChanged = ({ drivers, currency }: { drivers: Driver[]; currency: string | null }) => (
  <Panel title={t("what_changed")} size="wide">
    <Table
      caption={t("what_changed")}
      rows={drivers}
      rowKey={(row) => `${row.kind} ${row.id}`}
      emptyText={t("nothing_to_compare")}
      scrollRows
      columns={[
        { name: "driver", cell: (row) => <DriverName driver={row} /> },
        {
          name: "driver_kind",
          cell: (row) => <span class="secondary-text">{term("field", row.kind)}</span>,
        },
        { name: "before", alignRight: true, cell: (row) => money(row.before_cents, currency) },
        { name: "now", alignRight: true, cell: (row) => money(row.cents, currency) },
        {
          name: "change",
          alignRight: true,
          cell: (row) => <Change driver={row} currency={currency} />,
        },
      ]}
    />
  </Panel>
);

function DriverName({ driver: { kind, id, name } }: { driver: Driver }) {
  if (kind === "product") return <ProductLink id={id}>{name}</ProductLink>;
  return (
    <button class="link" onClick={() => choose({ category: "", country: "", [kind]: id })}>
      {kind === "category" ? term("category", name) : name}
    </button>
  );
}

function Change({ driver, currency }: { driver: Driver; currency: string | null }) {
  const difference = driver.cents - driver.before_cents;
  const share = driver.before_cents > 0 ? ` (${percentChange(difference / driver.before_cents)})` : "";
  return (
    <span class={`trend ${difference < 0 ? "down" : "up"}`}>
      {`${difference < 0 ? "▼" : "▲"} ${money(Math.abs(difference), currency)}${share}`}
    </span>
  );
}
