/** Boundaries that keep an error in one panel or row from blanking the page. */
import { type ComponentChildren, toChildArray } from "preact";
import { useEffect, useErrorBoundary } from "preact/hooks";
import type { PageData } from "./api-types";
import { t } from "./i18n";
import { isKnown, KnownData } from "./known-data";

const RETRY_MS = 5_000;

/** The error of a component's children, which are rendered again after a while; undefined if they rendered. */
function useRetriedError(): string | undefined {
  const [error, retry] = useErrorBoundary((reason) => console.error(reason));
  useEffect(() => {
    if (!error) return;
    const timer = setTimeout(retry, RETRY_MS);
    return () => clearTimeout(timer);
  }, [error]);
  return error && (error instanceof Error ? error.message : String(error));
}

/** Shows an error of its children in their place, so that it looks like neither missing data nor rights. */
export function ErrorBoundary({ children }: { children: ComponentChildren }) {
  const error = useRetriedError();
  if (error === undefined) return <>{children}</>;
  return (
    <section class="panel">
      <div class="notices">
        <p>{t("panel_failed", { error })}</p>
      </div>
    </section>
  );
}

interface GridProps {
  /** The response that the panels show, if they share one. */
  data?: Pick<PageData, "missing"> | null;
  children: ComponentChildren;
}

/** A grid of panels, each of which fails alone. */
export const Grid = ({ data, children }: GridProps) => (
  <KnownData.Provider value={data === undefined || isKnown(data)}>
    <div class="grid">
      {toChildArray(children).map((child, index) => (
        <ErrorBoundary key={index}>{child}</ErrorBoundary>
      ))}
    </div>
  </KnownData.Provider>
);

/** A table row whose cells are rendered by a function; says so if they cannot be. */
export function RowBoundary({ width, children }: { width: number; children: () => ComponentChildren }) {
  const error = useRetriedError();
  if (error === undefined) return <Row cells={children} />;
  return (
    <tr>
      <td colSpan={width}>{t("row_failed", { error })}</td>
    </tr>
  );
}

const Row = ({ cells }: { cells: () => ComponentChildren }) => <tr>{cells()}</tr>;
