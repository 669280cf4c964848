/** A product: its stock, sales and stock-outs over a period, and its alerts. */
import { linkTo, useAddress } from "../address";
import { usePoll } from "../api-client";
import type { ProductDetail, StockOut } from "../api-types";
import { ChartPanel } from "../chart-panel";
import { DataAsOf, Notices, Panel, PdfDownload, StatusBadge } from "../components";
import { Grid } from "../error-boundary";
import { dateTime, money, number } from "../format";
import { t, term } from "../i18n";
import { PeriodChoice, usePeriod } from "../period";
import { Table } from "../table";
import { alertTitle } from "./alert-actions";

const PERIOD = "30";

export function ProductPage() {
  const id = useAddress().choices.get("id") ?? "";
  const query = { product_id: id, ...usePeriod(PERIOD) };
  const { data, error } = usePoll<ProductDetail>("product", query);
  const charts = data?.charts;
  return (
    <>
      <div class="toolbar">
        <PeriodChoice names={["7", "30", "month", "all"]} fallback={PERIOD} />
        <span class="spacer" />
        <DataAsOf data={data} />
        <PdfDownload page="product" query={query} />
      </div>
      <Notices data={data} error={error} />
      <Grid data={data}>
        <Panel title={data?.shelf?.product_name ?? id}>
          {data?.shelf ? (
            <ProductFacts data={data} />
          ) : data && !data.missing.length ? (
            <p class="empty">{t("no_such_product", { id })}</p>
          ) : null}
        </Panel>
        <ChartPanel
          page="product"
          size="wide"
          kind="line"
          title={t("product_stock")}
          data={charts?.product_stock}
          query={query}
        />
        <ChartPanel
          page="product"
          kind="stacked-bars"
          title={t("product_units")}
          data={charts?.product_units}
          query={query}
        />
        <ChartPanel
          page="product"
          size="wide"
          kind="stacked-bars"
          title={t("product_sales")}
          data={charts?.product_sales}
          currency={data?.currency}
          query={query}
        />
        <Panel title={t("stock_outs")} size="full">
          <Table
            caption={t("stock_outs")}
            rows={data?.stock_outs ?? []}
            rowKey={(row: StockOut) => row.started_at}
            columns={[
              { name: "started_at", cell: (row) => dateTime(row.started_at) },
              { name: "ended_at", cell: (row) => dateTime(row.ended_at) },
              { name: "lost_units", alignRight: true, cell: (row) => number(row.lost_units, 1) },
              {
                name: "lost_cents",
                title: t("field_amount"),
                alignRight: true,
                cell: (row) => money(row.lost_cents, row.currency),
              },
            ]}
          />
        </Panel>
      </Grid>
    </>
  );
}

function ProductFacts({ data }: { data: ProductDetail }) {
  const shelf = data.shelf!;
  return (
    <dl class="facts">
      <dt>{t("field_status")}</dt>
      <dd>
        <StatusBadge scope="stock_level" code={shelf.level} />
      </dd>
      <dt>{t("field_category")}</dt>
      <dd>{data.category ? term("category", data.category) : "–"}</dd>
      <dt>{t("field_quantity")}</dt>
      <dd>{number(shelf.quantity)}</dd>
      <dt>{t("field_days_of_cover")}</dt>
      <dd>{number(shelf.days_of_cover, 1)}</dd>
      <dt>{t("field_reorder_point")}</dt>
      <dd>{number(shelf.reorder_point)}</dd>
      <dt>{t("field_demand_per_day")}</dt>
      <dd>{number(shelf.demand_per_day, 1)}</dd>
      <dt>{t("field_units")}</dt>
      <dd>{number(data.units)}</dd>
      <dt>{t("field_gmv")}</dt>
      <dd>{money(data.gmv_cents, data.currency)}</dd>
      {data.alerts.length ? (
        <>
          <dt>{t("alerts")}</dt>
          <dd>
            {data.alerts.map((alert) => (
              <a key={alert.fingerprint} href={linkTo("stock")}>
                <StatusBadge scope="severity" code={alert.severity} /> {alertTitle(alert)}
              </a>
            ))}
          </dd>
        </>
      ) : null}
    </dl>
  );
}
