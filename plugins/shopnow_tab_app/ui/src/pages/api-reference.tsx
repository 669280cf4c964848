/** Reference of the HTTP API, from its OpenAPI schema. Its texts are in English in every language. */
import { useEffect, useState } from "preact/hooks";
import { get } from "../api-client";
import { Badge, Download, errorText, Panel } from "../components";
import { Grid } from "../error-boundary";
import { t } from "../i18n";

interface Schema {
  type?: string;
  anyOf?: Schema[];
  $ref?: string;
  enum?: string[];
  items?: Schema;
  description?: string;
  properties?: Record<string, Schema>;
}
interface Parameter {
  name: string;
  schema: Schema;
  description?: string;
}
interface Operation {
  summary: string;
  description?: string;
  parameters?: Parameter[];
  requestBody?: { content: Record<string, { schema: Schema }> };
  responses: Record<string, { content?: Record<string, { schema?: Schema }> }>;
}
interface OpenApi {
  info: { description: string };
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: Record<string, Schema> };
}
type FieldRow = [name: string, type: string, description: string];

function typeName(schema: Schema | undefined): string {
  if (!schema) return "";
  if (schema.$ref) return schema.$ref.split("/").at(-1)!;
  if (schema.anyOf) return schema.anyOf.map(typeName).join(" | ");
  if (schema.enum) return schema.enum.join(" | ");
  if (schema.items) return `${typeName(schema.items)}[]`;
  return schema.type ?? "any";
}

export function ApiReferencePage() {
  const [openApi, setOpenApi] = useState<OpenApi | null>(null);
  const [error, setError] = useState<Error | null>(null);
  useEffect(() => void get<OpenApi>("openapi.json").then(setOpenApi, setError), []);
  if (!openApi) return <p class="empty">{error ? errorText(error) : t("loading_page")}</p>;
  const operations = Object.entries(openApi.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
  );
  const download = <Download path="openapi.json" fileName="shopnow-openapi.json" label="JSON" />;
  return (
    <Grid>
      <Panel title="OpenAPI" size="full" tools={download}>
        <p lang="en">{openApi.info.description}</p>
        {operations.map(({ path, method, operation }) => (
          <details key={method + path} lang="en">
            <summary>
              <Badge tone={method === "get" ? "good" : "warn"}>{method.toUpperCase()}</Badge>{" "}
              <code>{path}</code>{" "}
              <span class="secondary-text">{operation.description ?? operation.summary}</span>
            </summary>
            <OperationFields operation={operation} schemas={openApi.components.schemas} />
          </details>
        ))}
      </Panel>
    </Grid>
  );
}

function OperationFields({ operation, schemas }: { operation: Operation; schemas: Record<string, Schema> }) {
  const parameters = (operation.parameters ?? []).map(({ name, schema, description }): FieldRow => [
    name,
    typeName(schema),
    description ?? schema.description ?? "",
  ]);
  const request = Object.values(operation.requestBody?.content ?? {})[0];
  const response = Object.values(operation.responses).flatMap(({ content }) =>
    Object.values(content ?? {}),
  )[0];
  return (
    <>
      <FieldList title="Parameters" fields={parameters} />
      {request ? <SchemaFields title="Request body" schema={request.schema} schemas={schemas} /> : null}
      {response ? <SchemaFields title="Response" schema={response.schema} schemas={schemas} /> : null}
    </>
  );
}

interface SchemaFieldsProps {
  title: string;
  schema?: Schema;
  schemas: Record<string, Schema>;
}

function SchemaFields({ title, schema, schemas }: SchemaFieldsProps) {
  const name = typeName(schema);
  const properties = schemas[name.replace("[]", "")]?.properties ?? {};
  const fields = Object.entries(properties).map(([field, property]): FieldRow => [
    field,
    typeName(property),
    property.description ?? "",
  ]);
  return <FieldList title={`${title}: ${name}`} fields={fields} />;
}

const FieldList = ({ title, fields }: { title: string; fields: FieldRow[] }) =>
  fields.length ? (
    <>
      <h3>{title}</h3>
      <ul class="fields">
        {fields.map(([name, type, description]) => (
          <li key={name}>
            <code>{name}</code> <span class="secondary-text">{type}</span> {description}
          </li>
        ))}
      </ul>
    </>
  ) : null;
