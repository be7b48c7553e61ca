// Bundles each src/*.mjs into src/breakglass/web/static/built/, with the licences of what went in beside them.
import { build } from "esbuild";
import { copyFile, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const out = join(here, "../src/breakglass/web/static/built");
const entries = (await readdir(join(here, "src"))).filter((name) => name.endsWith(".mjs"));

await rm(out, { recursive: true, force: true });
await mkdir(out, { recursive: true });
const done = await build({
  absWorkingDir: here,
  entryPoints: entries.map((name) => join("src", name)),
  bundle: true,
  format: "esm",
  target: "es2022",
  minify: true,
  legalComments: "none", // whole licence texts stand beside the bundles
  outdir: out,
  entryNames: "[name]",
  loader: { ".wasm": "file" },
  metafile: true,
  logLevel: "warning",
});

const packages = new Set();
for (const input of Object.keys(done.metafile.inputs)) {
  const found = input.match(/^node_modules\/((?:@[^/]+\/)?[^/]+)\//);
  if (found) packages.add(found[1]);
}
const texts = [];
for (const name of [...packages].sort()) {
  const folder = join(here, "node_modules", name);
  const about = JSON.parse(await readFile(join(folder, "package.json"), "utf8"));
  const licence = (await readdir(folder)).find((file) => /^licen[cs]e/i.test(file));
  if (!licence) throw new Error(`${name} brings no licence text`);
  texts.push(`${name} ${about.version} (${about.license})\n\n${await readFile(join(folder, licence), "utf8")}`);
}
await writeFile(join(out, "licences.txt"), texts.join(`\n${"-".repeat(100)}\n\n`));
