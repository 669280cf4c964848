/** A chart of what the API gives, its figures as a table beside it for those who would rather read, and as JSON. */
import {
  ArcElement, BarController, BarElement, CategoryScale, Chart, DoughnutController, Filler, Legend, LinearScale, LineController, LineElement,
  PointElement, Tooltip, type ChartDataset, type ChartType,
} from "chart.js";
import { useEffect, useRef, useState } from "preact/hooks";
import { type ChartData, type Query } from "./api";
import { Download, Panel, Table } from "./parts";
import { amount, t, when } from "./settings";

Chart.register(
  ArcElement, BarController, BarElement, CategoryScale, DoughnutController, Filler, Legend, LinearScale, LineController, LineElement, PointElement, Tooltip,
);
Chart.defaults.animation = false;
Chart.defaults.font.family = getComputedStyle(document.body).fontFamily;
Chart.defaults.maintainAspectRatio = false;

type Kind = "line" | "bars" | "stacked" | "ring" | "steps";
interface Props {
  page: string; title: string; kind: Kind; data: ChartData | undefined; currency?: string | null; query?: Query;
  /** The series shown; all if not given. */
  only?: string[];
  size?: "wide" | "full";
}

const TONES: Record<string, string> = {
  payments_failed: "--bad", failed: "--bad", payments_succeeded: "--good", succeeded: "--good", delivered: "--good", in_transit: "--info",
  pending: "--warn", refunded: "--info",
};
const colour = (name: string) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

const label = (text: string): string => {
  if (/^\d{4}-\d\d-\d\d$/.test(text)) return when(text, { day: "numeric", month: "short" });
  if (/^\d{4}-\d\d-\d\dT/.test(text)) return when(text, { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
  return t(text);
};

export function ChartPanel(props: Props) {
  const { data, kind } = props;
  const [asTable, setAsTable] = useState(false);
  const series = (data?.series ?? []).filter((each) => !props.only || props.only.includes(each.name));
  const empty = !series.some((each) => each.values.some((value) => value !== null));
  const rows = (data?.labels ?? []).map((text, index) => ({ text, index }));
  return (
    <Panel title={props.title} size={props.size} tools={
      <>
        <button class="quiet" aria-pressed={asTable} onClick={() => setAsTable(!asTable)}>{t("as_table")}</button>
        <Download path={`charts/${props.page}/${data?.name ?? ""}`} query={props.query} name={`${props.page}-${data?.name}.json`} text="JSON" />
      </>
    }>
      {empty ? <p class="empty">{t("nothing")}</p> : asTable ? (
        <Table caption={props.title} rows={rows} id={(row) => row.text} columns={[
          { name: "label", title: "", cell: (row) => label(row.text) },
          ...series.map((each) => ({ name: each.name, right: true, cell: (row: { index: number }) => amount(each.values[row.index], each.unit, props.currency ?? null) })),
        ]} />
      ) : <Canvas title={props.title} kind={kind} labels={data!.labels} series={series} currency={props.currency ?? null} />}
    </Panel>
  );
}

function Canvas({ title, kind, labels, series, currency }: { title: string; kind: Kind; labels: string[]; series: ChartData["series"]; currency: string | null }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const chart = useRef<Chart | null>(null);
  const type: ChartType = kind === "line" ? "line" : kind === "ring" ? "doughnut" : "bar";
  useEffect(() => {
    const text = colour("--quiet-text");
    Chart.defaults.color = text;
    const ring = kind === "ring";
    const unit = series[0]?.unit ?? "";
    chart.current = new Chart(canvas.current!, {
      type,
      data: { labels: [], datasets: [] },
      options: {
        indexAxis: kind === "steps" ? "y" : "x",
        interaction: { mode: ring ? "nearest" : "index", intersect: ring, axis: kind === "steps" ? "y" : "x" },
        plugins: {
          legend: { display: ring || series.length > 1, position: "bottom", labels: { boxWidth: 10, boxHeight: 10 } },
          tooltip: {
            callbacks: {
              label: (item) => {
                const value = item.raw as number | null;
                return ` ${ring ? item.label : item.dataset.label}: ${amount(value, unit, currency)}`;
              },
            },
          },
        },
        scales: ring ? {} : {
          x: { stacked: kind === "stacked", grid: { display: kind === "steps", color: colour("--line") }, border: { color: colour("--line") }, ticks: { maxRotation: 0, autoSkipPadding: 12, ...(kind === "steps" ? { callback: (value) => amount(Number(value), unit, currency, true) } : {}) } },
          y: { stacked: kind === "stacked", beginAtZero: true, grid: { display: kind !== "steps", color: colour("--line") }, border: { display: false }, ticks: kind === "steps" ? {} : { maxTicksLimit: 6, callback: (value) => amount(Number(value), unit, currency, true) } },
        },
        ...(ring ? { cutout: "68%" } : {}),
      },
    });
    return () => chart.current?.destroy();
  }, [type]);
  useEffect(() => {
    const palette = ["--brand", "--good", "--warn", "--info", "--bad"].map(colour);
    const tone = (name: string, index: number) => (TONES[name] ? colour(TONES[name]) : palette[index % palette.length]);
    const shown = chart.current!;
    shown.data.labels = labels.map(label);
    shown.data.datasets = series.map((each, index): ChartDataset => ({
      label: t(each.name),
      data: each.values as number[],
      backgroundColor: kind === "ring" ? labels.map(tone) : kind === "line" ? `color-mix(in srgb, ${tone(each.name, index)} 14%, transparent)` : tone(each.name, index),
      borderColor: kind === "ring" ? colour("--panel") : tone(each.name, index),
      borderWidth: kind === "line" || kind === "ring" ? 2 : 0,
      ...(kind === "line" ? { fill: true, tension: 0.25, pointRadius: labels.length > 40 ? 0 : 2, pointHitRadius: 12 } : kind === "ring" ? {} : { borderRadius: 3, maxBarThickness: 34 }),
    }) as ChartDataset);
    shown.update("none");
  });
  const said = series.map((each) => `${t(each.name)}: ${labels.map((text, index) => `${label(text)} ${amount(each.values[index], each.unit, currency)}`).slice(-12).join(", ")}`);
  return <div class="canvas"><canvas ref={canvas} role="img" aria-label={`${title}. ${said.join("; ")}`} /></div>;
}

export const Spark = ({ values }: { values: (number | null)[] }) => {
  const known = values.map((value) => value ?? 0);
  const most = Math.max(...known, 1);
  const step = 100 / Math.max(known.length - 1, 1);
  const points = known.map((value, index) => `${(index * step).toFixed(1)},${(27 - (value / most) * 24).toFixed(1)}`).join(" ");
  return <svg class="spark" viewBox="0 0 100 28" preserveAspectRatio="none" aria-hidden="true"><polyline points={points} /></svg>;
};
