/** Compiles the blocks of docs/frameworks.md against the published types of the frameworks. */
import { strict as assert } from "node:assert"
import { execFileSync } from "node:child_process"
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { dirname } from "node:path"

/** How each framework's own projects are compiled. */
const projects = {
  NestJS: {
    module: "NodeNext",
    experimentalDecorators: true,
    emitDecoratorMetadata: true,
    strictPropertyInitialization: true
  },
  "Next.js": { module: "ESNext", moduleResolution: "bundler", lib: ["ES2024", "DOM"], jsx: "preserve" }
}

const page = readFileSync("../../docs/frameworks.md", "utf8")
rmSync(".compiled", { recursive: true, force: true })
let compiled = 0
for (const [framework, options] of Object.entries(projects)) {
  const section = page.split(/^## /m).find((text) => text.startsWith(`${framework}\n`)) ?? ""
  const folder = `.compiled/${framework}`
  for (const [, file = "", source = ""] of section.matchAll(/```ts\n\/\/ (\S+)\n(.*?)```/gs)) {
    mkdirSync(dirname(`${folder}/${file}`), { recursive: true })
    writeFileSync(`${folder}/${file}`, source)
    compiled++
  }
  const compilerOptions = {
    target: "ES2024",
    strict: true,
    skipLibCheck: true,
    noEmit: true,
    types: ["node"],
    // The packages are links to their sources here.
    allowImportingTsExtensions: true,
    ...options
  }
  writeFileSync(`${folder}/tsconfig.json`, JSON.stringify({ compilerOptions }))
  execFileSync("node_modules/.bin/tsc", ["-p", folder], { stdio: "inherit" })
}
assert.equal(compiled, page.match(/^```ts$/gm)?.length)
rmSync(".compiled", { recursive: true, force: true })
console.log(`${compiled} blocks of docs/frameworks.md compile`)
