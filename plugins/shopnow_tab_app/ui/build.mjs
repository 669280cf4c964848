// Builds the pages into ../static, or into the folder of the first argument: `npm ci && npm run build`.
import { build } from "esbuild";
import { cp, mkdir } from "node:fs/promises";

const out = process.argv[2] ?? "../static";
await mkdir(out, { recursive: true });
await build({
  entryPoints: { app: "src/main.tsx", style: "src/style.css" },
  outdir: out,
  bundle: true,
  minify: true,
  format: "esm",
  target: "es2022",
  jsx: "automatic",
  jsxImportSource: "preact",
  legalComments: "linked",
  loader: { ".json": "json" },
});
for (const name of ["index.html", "icon.svg", "icon-dark.svg"]) await cp(`src/${name}`, `${out}/${name}`);
