import { useEffect, useState } from "preact/hooks";
import { get } from "../api";
import { Badge, Download, Panel } from "../parts";
import { t } from "../settings";

interface Schema { type?: string; anyOf?: Schema[]; $ref?: string; enum?: string[]; items?: Schema; description?: string; default?: unknown; properties?: Record<string, Schema> }
interface Operation {
  summary: string; description?: string; parameters?: { name: string; in: string; required: boolean; schema: Schema; description?: string }[];
  requestBody?: { content: Record<string, { schema: Schema }> }; responses: Record<string, { content?: Record<string, { schema?: Schema }> }>;
}
interface Spec { info: { description: string }; paths: Record<string, Record<string, Operation>>; components: { schemas: Record<string, Schema> } }

const word = (schema?: Schema): string =>
  !schema ? "" : schema.$ref ? schema.$ref.split("/").at(-1)! : schema.anyOf ? schema.anyOf.map(word).join(" | ") : schema.enum ? schema.enum.join(" | ") : schema.items ? `${word(schema.items)}[]` : (schema.type ?? "any");

export function ApiPage() {
  const [spec, setSpec] = useState<Spec | null>(null);
  const [trouble, setTrouble] = useState<string | null>(null);
  useEffect(() => void get<Spec>("openapi.json").then(setSpec, (error) => setTrouble(error.message)), []);
  if (!spec) return <p class="empty">{trouble ? t("no_answer", { error: trouble }) : t("reading")}</p>;
  return (
    <div class="grid">
      <Panel title="OpenAPI" size="full" tools={<Download path="openapi.json" name="shopnow-openapi.json" text="JSON" />}>
        <p lang="en">{spec.info.description}</p>
        {Object.entries(spec.paths).flatMap(([path, methods]) => Object.entries(methods).map(([method, operation]) => (
          <details key={method + path} lang="en">
            <summary><Badge of={method === "get" ? "ok" : "warning"} text={method.toUpperCase()} /> <code>{path}</code> <span class="quiet-text">{operation.description ?? operation.summary}</span></summary>
            <Fields title="Parameters" fields={(operation.parameters ?? []).map((each) => [each.name, word(each.schema), each.description ?? each.schema.description ?? ""])} />
            {Object.values(operation.requestBody?.content ?? {}).map((body) => <Of key="in" title="Body" schema={body.schema} spec={spec} />)}
            {Object.values(operation.responses).flatMap((answer) => Object.values(answer.content ?? {})).slice(0, 1).map((body) => <Of key="out" title="Answer" schema={body.schema} spec={spec} />)}
          </details>
        )))}
      </Panel>
    </div>
  );
}

function Of({ title, schema, spec }: { title: string; schema?: Schema; spec: Spec }) {
  const name = word(schema);
  const found = spec.components.schemas[name.replace("[]", "")];
  return <Fields title={`${title}: ${name}`} fields={Object.entries(found?.properties ?? {}).map(([field, each]) => [field, word(each), each.description ?? ""])} />;
}

function Fields({ title, fields }: { title: string; fields: string[][] }) {
  return fields.length ? (
    <>
      <h3>{title}</h3>
      <ul class="fields">{fields.map(([name, type, description]) => <li key={name}><code>{name}</code> <span class="quiet-text">{type}</span> {description}</li>)}</ul>
    </>
  ) : null;
}
