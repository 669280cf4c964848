/** Charts of the API, each also available as a table and as JSON. */
import {
  ArcElement,
  BarController,
  BarElement,
  CategoryScale,
  Chart,
  type ChartDataset,
  type ChartOptions,
  type ChartType,
  DoughnutController,
  Filler,
  Legend,
  LinearScale,
  LineController,
  LineElement,
  PointElement,
  Tooltip,
} from "chart.js";
import { useEffect, useRef, useState } from "preact/hooks";
import type { Query } from "./api-url";
import type { ChartData, Series } from "./api-types";
import { Download, Panel, ProvisionalBadge } from "./components";
import { amount, dateTime } from "./format";
import { labelled, t, term } from "./i18n";
import { EmptyText, Table } from "./table";

Chart.register(
  ArcElement,
  BarController,
  BarElement,
  CategoryScale,
  DoughnutController,
  Filler,
  Legend,
  LinearScale,
  LineController,
  LineElement,
  PointElement,
  Tooltip,
);
Chart.defaults.animation = false;
Chart.defaults.font.family = getComputedStyle(document.body).fontFamily;
Chart.defaults.maintainAspectRatio = false;

type Kind = "line" | "stacked-bars" | "doughnut" | "horizontal-bars";

const CHART_TYPES: Record<Kind, ChartType> = {
  line: "line",
  "stacked-bars": "bar",
  doughnut: "doughnut",
  "horizontal-bars": "bar",
};
const PALETTE = ["--brand", "--good", "--warn", "--info", "--bad"];
/** CSS colors of series and labels with a fixed meaning. */
const COLORS: Record<string, string> = {
  payments_failed: "--bad",
  failed: "--bad",
  payments_succeeded: "--good",
  succeeded: "--good",
  delivered: "--good",
  in_transit: "--info",
  pending: "--warn",
  refunded: "--info",
};
/** End of the name of a series of the previous period. */
const BEFORE = "_before";
/** Above this number of labels a line has no points. */
const MAX_POINTS = 40;
/** Values read out to screen readers, per series. */
const SPOKEN_VALUES = 12;

const cssColor = (name: string): string =>
  getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const colorOf = (code: string, index: number): string =>
  cssColor(COLORS[code] ?? PALETTE[index % PALETTE.length]);

/** The text of a label: a day, an hour or a code. */
const labelText = (label: string): string => {
  if (/^\d{4}-\d\d-\d\d$/.test(label)) return dateTime(label, { day: "numeric", month: "short" });
  if (/^\d{4}-\d\d-\d\dT/.test(label)) {
    return dateTime(label, { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
  }
  return term("chart", label);
};

interface ChartPanelProps {
  page: string;
  title: string;
  kind: Kind;
  data: ChartData | undefined;
  currency?: string | null;
  query?: Query;
  size?: "wide" | "full";
}

export function ChartPanel({ page, title, kind, data, currency = null, query, size }: ChartPanelProps) {
  const [isTable, setIsTable] = useState(false);
  const labels = data?.labels ?? [];
  // Of a previous period without data there is nothing to compare with.
  const series = (data?.series ?? []).filter(
    ({ name, values }) => !name.endsWith(BEFORE) || values.some((value) => value !== null),
  );
  const isEmpty = series.every(({ values }) => values.every((value) => value === null));
  const tools = (
    <>
      <button class="small" aria-pressed={isTable} onClick={() => setIsTable(!isTable)}>
        {t("show_table")}
      </button>
      <Download
        path={`charts/${page}/${data?.name ?? ""}`}
        query={query}
        fileName={`${page}-${data?.name}.json`}
        label="JSON"
      />
    </>
  );
  const provisional = new Set(data?.provisional);
  const props = { title, labels, series, currency, provisional };
  return (
    <Panel title={title} size={size} tools={tools}>
      {isEmpty ? (
        <EmptyText text={t("no_data")} />
      ) : isTable ? (
        <ChartTable {...props} />
      ) : (
        <ChartCanvas kind={kind} {...props} />
      )}
    </Panel>
  );
}

interface ChartProps {
  title: string;
  labels: string[];
  series: Series[];
  currency: string | null;
  /** Labels whose values are provisional in part. */
  provisional: Set<string>;
}

const ChartTable = ({ title, labels, series, currency, provisional }: ChartProps) => (
  <Table
    caption={title}
    rows={labels.map((label, index) => ({ label, index }))}
    rowKey={(row) => row.label}
    columns={[
      {
        name: "label",
        title: "",
        cell: (row) => (
          <>
            {labelText(row.label)} <ProvisionalBadge row={{ provisional: provisional.has(row.label) }} />
          </>
        ),
      },
      ...series.map(({ name, unit, values }) => ({
        name,
        title: term("chart", name),
        alignRight: true,
        cell: (row: { index: number }) => amount(values[row.index], unit, currency),
      })),
    ]}
  />
);

function ChartCanvas({ title, kind, labels, series, currency, provisional }: ChartProps & { kind: Kind }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const chart = useRef<Chart | null>(null);
  const type = CHART_TYPES[kind];
  useEffect(() => {
    Chart.defaults.color = cssColor("--secondary-text");
    chart.current = new Chart(canvas.current!, {
      type,
      data: { labels: [], datasets: [] },
      options: optionsOf(kind, series, currency),
    });
    return () => chart.current?.destroy();
  }, [type]);
  useEffect(() => {
    const { data } = chart.current!;
    data.labels = labels.map(labelText);
    data.datasets = series.map((item, index) => datasetOf(kind, labels, item, index, provisional));
    chart.current!.update("none");
  });
  const description = series.map(({ name, unit, values }) => {
    const points = labels.map((label, index) => {
      const mark = provisional.has(label) ? ` (${t("provisional")})` : "";
      return `${labelText(label)} ${amount(values[index], unit, currency)}${mark}`;
    });
    return labelled(term("chart", name), points.slice(-SPOKEN_VALUES).join(", "));
  });
  return (
    <div class="canvas">
      <canvas ref={canvas} role="img" aria-label={`${title}. ${description.join("; ")}`} />
    </div>
  );
}

function optionsOf(kind: Kind, series: Series[], currency: string | null): ChartOptions {
  const isDoughnut = kind === "doughnut";
  const isHorizontal = kind === "horizontal-bars";
  const isStacked = kind === "stacked-bars";
  const unit = series[0]?.unit ?? "";
  const lineColor = cssColor("--line");
  const valueTicks = { callback: (value: number | string) => amount(Number(value), unit, currency, true) };
  const valueAxis = isHorizontal ? "x" : "y";
  return {
    indexAxis: isHorizontal ? "y" : "x",
    interaction: {
      mode: isDoughnut ? "nearest" : "index",
      intersect: isDoughnut,
      axis: isHorizontal ? "y" : "x",
    },
    plugins: {
      legend: {
        display: isDoughnut || series.length > 1,
        position: "bottom",
        labels: { boxWidth: 10, boxHeight: 10 },
      },
      tooltip: {
        callbacks: {
          label: (item) => {
            const name = (isDoughnut ? item.label : item.dataset.label) ?? "";
            return ` ${labelled(name, amount(item.raw as number | null, unit, currency))}`;
          },
        },
      },
    },
    scales: isDoughnut
      ? {}
      : {
          x: {
            stacked: isStacked,
            grid: { display: valueAxis === "x", color: lineColor },
            border: { color: lineColor },
            ticks: { maxRotation: 0, autoSkipPadding: 12, ...(valueAxis === "x" ? valueTicks : {}) },
          },
          y: {
            stacked: isStacked,
            beginAtZero: true,
            grid: { display: valueAxis === "y", color: lineColor },
            border: { display: false },
            ticks: valueAxis === "y" ? { maxTicksLimit: 6, precision: unit === "cents" ? undefined : 0, ...valueTicks } : {},
          },
        },
    ...(isDoughnut ? { cutout: "68%" } : {}),
  };
}

function datasetOf(
  kind: Kind,
  labels: string[],
  { name, values }: Series,
  index: number,
  provisional: Set<string>,
): ChartDataset {
  const color = colorOf(name, index);
  const isProvisional = labels.map((label) => provisional.has(label));
  const pale = (share: number) => `color-mix(in srgb, ${color} ${share}%, transparent)`;
  const base = { label: term("chart", name), data: values as number[] };
  if (kind === "doughnut") {
    return {
      ...base,
      backgroundColor: labels.map(colorOf),
      borderColor: cssColor("--panel"),
      borderWidth: 2,
    };
  }
  if (name.endsWith(BEFORE)) {
    return {
      ...base,
      borderColor: cssColor("--secondary-text"),
      borderDash: [4, 4],
      borderWidth: 1.5,
      tension: 0.25,
      pointRadius: 0,
      pointHitRadius: 12,
    };
  }
  if (kind === "line") {
    return {
      ...base,
      backgroundColor: pale(14),
      borderColor: color,
      borderWidth: 2,
      fill: true,
      tension: 0.25,
      segment: { borderDash: (segment) => (isProvisional[segment.p1DataIndex] ? [2, 3] : undefined) },
      pointBackgroundColor: isProvisional.map((mark) => (mark ? cssColor("--panel") : color)),
      pointRadius: isProvisional.map((mark) => (mark ? 4 : labels.length > MAX_POINTS ? 0 : 2)),
      pointHitRadius: 12,
    };
  }
  return {
    ...base,
    backgroundColor: isProvisional.map((mark) => (mark ? pale(55) : color)),
    borderRadius: 3,
    maxBarThickness: 34,
  };
}

const SPARKLINE_WIDTH = 100;
const SPARKLINE_HEIGHT = 28;

export const Sparkline = ({ values }: { values: (number | null)[] }) => {
  const heights = values.map((value) => value ?? 0);
  const maximum = Math.max(...heights, 1);
  const step = SPARKLINE_WIDTH / Math.max(heights.length - 1, 1);
  const points = heights.map((height, index) => {
    const y = SPARKLINE_HEIGHT - 1 - (height / maximum) * (SPARKLINE_HEIGHT - 4);
    return `${(index * step).toFixed(1)},${y.toFixed(1)}`;
  });
  return (
    <svg
      class="sparkline"
      viewBox={`0 0 ${SPARKLINE_WIDTH} ${SPARKLINE_HEIGHT}`}
      preserveAspectRatio="none"
      aria-hidden="true"
    >
      <polyline points={points.join(" ")} />
    </svg>
  );
};
