// Builds the static files into out/, as `next build` does with an export.

import { copyFileSync, mkdirSync, rmSync } from "node:fs";
import { build } from "esbuild";

rmSync("out", { recursive: true, force: true });
mkdirSync("out");
copyFileSync("src/index.html", "out/index.html");
await build({
  entryPoints: ["src/main.jsx"],
  outfile: "out/main.js",
  bundle: true,
  minify: true,
  jsx: "automatic",
  jsxImportSource: "preact",
});
