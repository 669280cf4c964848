/** Sales at a glance: KPI cards, charts, top products, stock at risk and the latest activity. */
import { choose, useAddress, useChoice } from "../address";
import { usePoll } from "../api-client";
import { type Query } from "../api-url";
import type { Card, Dashboard, ProductAtRisk, TopProduct } from "../api-types";
import { ChartPanel, Sparkline } from "../chart-panel";
import {
  AirflowLink,
  Badge,
  CsvDownload,
  Notices,
  type Option,
  Panel,
  PdfDownload,
  ProgressBar,
  runPath,
  Select,
  StatusBadge,
} from "../components";
import { Grid } from "../error-boundary";
import { amount, dateTime, money, number, percentChange } from "../format";
import { t, term } from "../i18n";
import { LatestActivity } from "../latest-activity";
import { ProductLink } from "../links";
import { WhatChanged } from "../what-changed";
import { PeriodChoice, usePeriod } from "../period";
import { Table } from "../table";

const PERIOD = "7";
/** Value of `audit` when the latest audit found no difference. */
const AUDIT_PASSED = "holds";

export function DashboardPage() {
  const { choices } = useAddress();
  const [category, country] = [choices.get("category") ?? "", choices.get("country") ?? ""];
  const [currency, setCurrency] = useChoice("currency");
  const query: Query = { ...usePeriod(PERIOD), currency, category, country };
  const filter = category ? `category=${category}` : country ? `country=${country}` : "";
  const setFilter = (value: string) => {
    const [column, name] = value.split("=");
    choose({ category: "", country: "", ...(column ? { [column]: name } : {}) });
  };
  const { data, error } = usePoll<Dashboard>("dashboard", query);
  const { categories = [], countries = [], currencies = [] } = data?.options ?? {};
  return (
    <>
      <div class="toolbar">
        <PeriodChoice names={["today", "yesterday", "7", "30", "week", "month"]} fallback={PERIOD} />
        <Select
          label={t("filter")}
          value={filter}
          onChange={setFilter}
          options={[
            ["", t("filter_all")],
            ...categories.map((name): Option => [
              `category=${name}`,
              t("filter_category", { name: term("category", name) }),
            ]),
            ...countries.map((name): Option => [`country=${name}`, t("filter_country", { name })]),
          ]}
        />
        {currencies.length > 1 ? (
          <Select
            label={t("currency")}
            value={currency || data?.currency || ""}
            onChange={setCurrency}
            options={currencies.map((code) => [code, code])}
          />
        ) : null}
        <span class="spacer" />
        <PdfDownload page="dashboard" query={query} />
      </div>
      <Notices data={data} error={error} />
      {data ? (
        <DashboardContent data={data} query={query} isFiltered={filter !== ""} />
      ) : error ? null : (
        <p class="empty">{t("loading")}</p>
      )}
    </>
  );
}

function DashboardContent({
  data,
  query,
  isFiltered,
}: {
  data: Dashboard;
  query: Query;
  isFiltered: boolean;
}) {
  const isHourly = data.charts.orders.labels[0]?.includes("T");
  return (
    <>
      <div class="cards">
        {data.cards.map((card) => (
          <KpiCard
            key={card.name}
            card={card}
            currency={data.currency}
            isComplete={data.completeness.complete}
            isFiltered={isFiltered}
          />
        ))}
      </div>
      <Freshness data={data} />
      <Grid data={data}>
        <ChartPanel
          page="dashboard"
          size="wide"
          title={isHourly ? t("orders_per_hour") : t("orders_per_day")}
          kind="line"
          data={data.charts.orders}
          query={query}
        />
        <LatestActivity />
        <ChartPanel
          page="dashboard"
          size="wide"
          title={isHourly ? t("revenue_per_hour") : t("revenue_per_day")}
          kind="line"
          data={data.charts.revenue}
          currency={data.currency}
          query={query}
        />
        <ChartPanel
          page="dashboard"
          title={t("payments_per_day")}
          kind="stacked-bars"
          data={data.charts.payments}
          query={query}
        />
        <ChartPanel
          page="dashboard"
          title={t("conversion_funnel")}
          kind="horizontal-bars"
          data={data.charts.funnel}
          query={query}
        />
        <WhatChanged drivers={data.drivers} currency={data.currency} />
        <StockAtRisk products={data.at_risk} />
        <TopProducts products={data.top_products} currency={data.currency} query={query} />
      </Grid>
    </>
  );
}

const StockAtRisk = ({ products }: { products: ProductAtRisk[] }) => (
  <Panel title={t("stock_at_risk")} tools={<CsvDownload table="stock_at_risk" />}>
    <Table
      caption={t("stock_at_risk")}
      rows={products}
      rowKey={(row) => row.product_id}
      emptyText={t("no_stock_at_risk")}
      columns={[
        {
          name: "product_name",
          cell: (row) => <ProductLink id={row.product_id}>{row.product_name}</ProductLink>,
        },
        {
          name: "quantity",
          alignRight: true,
          cell: (row) =>
            row.quantity ? number(row.quantity) : <StatusBadge scope="stock_level" code="out" />,
        },
        { name: "days_of_cover", alignRight: true, cell: (row) => number(row.days_of_cover, 1) },
      ]}
    />
  </Panel>
);

interface TopProductsProps {
  products: TopProduct[];
  currency: string | null;
  query: Query;
}

function TopProducts({ products, currency, query }: TopProductsProps) {
  const maximum = Math.max(...products.map((product) => product.gmv_cents), 1);
  return (
    <Panel title={t("top_products")} size="wide" tools={<CsvDownload table="top_products" query={query} />}>
      <Table
        caption={t("top_products")}
        rows={products}
        rowKey={(row) => row.product_id}
        columns={[
          {
          name: "product_name",
          cell: (row) => <ProductLink id={row.product_id}>{row.product_name}</ProductLink>,
        },
          {
            name: "category",
            cell: (row) => <span class="secondary-text">{term("category", row.category)}</span>,
          },
          { name: "units", alignRight: true, cell: (row) => number(row.units) },
          { name: "gmv", alignRight: true, cell: (row) => money(row.gmv_cents, currency) },
          { name: "share", title: "", cell: (row) => <ProgressBar fraction={row.gmv_cents / maximum} /> },
        ]}
      />
    </Panel>
  );
}

interface KpiCardProps {
  card: Card;
  currency: string | null;
  isComplete: boolean;
  isFiltered: boolean;
}

function KpiCard({ card, currency, isComplete, isFiltered }: KpiCardProps) {
  return (
    <section class="card" title={card.definition}>
      <h2>{term("card", card.name)}</h2>
      <p class="value">{amount(card.value, card.unit, currency, true)}</p>
      <Trend card={card} isFiltered={isFiltered} />
      {card.provisional ? (
        <p class="provisional" title={t("provisional_hint")}>
          {t("provisional_part", { amount: amount(card.provisional, card.unit, currency) })}
        </p>
      ) : null}
      {card.spark.length > 1 ? <Sparkline values={card.spark} /> : null}
      {isComplete ? null : <Badge tone="warn">{t("incomplete")}</Badge>}
    </section>
  );
}

function Trend({ card, isFiltered }: Pick<KpiCardProps, "card" | "isFiltered">) {
  const { value, compared, before, compared_until: comparedUntil } = card;
  if (value === null) return <p class="trend">{isFiltered ? t("not_available_for_filter") : ""}</p>;
  // A share of nothing, or of more refunds than payments, says nothing.
  if (before === null || before <= 0) return <p class="trend">{t("no_previous_data")}</p>;
  const change = ((compared ?? 0) - before) / before;
  // The tooltip names the compared part of an unfinished period.
  const until = compared === value || !comparedUntil ? "" : t("compared_until", { time: dateTime(comparedUntil) });
  return (
    <p class={`trend ${change < 0 ? "down" : "up"}`} title={until}>
      {`${change < 0 ? "▼" : "▲"} ${percentChange(change)} ${t("vs_previous_period")}`}
    </p>
  );
}

function Freshness({ data: { freshness, completeness } }: { data: Dashboard }) {
  const { computed_at: computedAt, run } = freshness;
  if (!computedAt) return <p class="freshness">{t("not_computed")}</p>;
  return (
    <p class="freshness">
      <span>
        {t("updated", { time: dateTime(computedAt, { dateStyle: "medium", timeStyle: "medium" }) })}
      </span>
      {run ? (
        <span>
          {t("updated_by")} <AirflowLink to={runPath(run)}>{run.dag_id}</AirflowLink>
        </span>
      ) : null}
      <CompletenessBadge completeness={completeness} />
      <AuditBadge audit={completeness.audit} />
    </p>
  );
}

function CompletenessBadge({ completeness }: { completeness: Dashboard["completeness"] }) {
  if (completeness.complete) return <Badge tone="good">{t("complete")}</Badge>;
  const missing = completeness.missing_rows;
  return (
    <Badge tone="warn">
      {missing === null ? t("missing_records_unknown") : t("missing_records", { count: number(missing) })}
    </Badge>
  );
}

function AuditBadge({ audit }: { audit: string | null }) {
  if (audit === null) return null;
  if (audit === AUDIT_PASSED) return <Badge tone="good">{t("audit_passed")}</Badge>;
  return <Badge tone="bad">{t("audit_failed", { detail: audit })}</Badge>;
}
