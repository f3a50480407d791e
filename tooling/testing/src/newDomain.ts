/**
 * `pnpm new-domain <name>`: writes the package of a domain from `skeleton/` and enters it in every list that a domain
 * must be in. What it writes passes lint, check, test and hygiene as it is.
 */
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Main from "@hypermarket/core/Main"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Runtime from "effect/Runtime"
import * as Schema from "effect/Schema"
import * as Path from "node:path"
import * as Command from "./Command.ts"
import * as Skeleton from "./Skeleton.ts"

class NewDomainFailed extends Schema.TaggedError<NewDomainFailed>()("NewDomainFailed", {
  message: Schema.String
}) {
  override readonly [Runtime.errorReported] = false
}

const fail = (message: string) => Effect.fail(new NewDomainFailed({ message }))

const root = Path.resolve(import.meta.dirname, "../../..")

const Name = Schema.String.check(
  Schema.isPattern(/^[a-z]{2,20}$/, {
    message: "Expected 2 to 20 letters a-z, the plural noun of the domain"
  })
)

const writePackage = Effect.fnUntraced(function* (name: string) {
  const fs = yield* FileSystem.FileSystem
  const folder = `${root}/packages/${name}`
  for (const { path, text } of yield* Skeleton.render(name)) {
    yield* fs.makeDirectory(Path.dirname(`${folder}/${path}`), { recursive: true })
    yield* fs.writeFileString(`${folder}/${path}`, text)
  }
  return folder
})

/** Changes a file that exists. A file that stays the same no longer has the form that this command knows. */
const change = Effect.fnUntraced(function* (file: string, edit: (text: string) => string) {
  const fs = yield* FileSystem.FileSystem
  const before = yield* fs.readFileString(`${root}/${file}`)
  const after = edit(before)
  if (after === before)
    return yield* fail(`${file} does not have the expected form: enter the domain there by hand`)
  yield* fs.writeFileString(`${root}/${file}`, after)
  return file
})

/** Inserts a line before the first line that matches. */
const before = (pattern: RegExp, line: string) => (text: string) =>
  text.replace(pattern, (match) => `${line}\n${match}`)

/** Dependencies are sorted. */
const withDependency = (name: string, range: string) => (text: string) =>
  text.replace(/("dependencies": \{\n)([^}]*?)(\n {2}\})/, (_, open: string, list: string, close: string) => {
    const lines = [...list.replaceAll(/,$/gm, "").split("\n"), `    "@hypermarket/${name}": "${range}"`]
    return `${open}${lines.toSorted().join(",\n")}${close}`
  })

const withReference = (name: string) => (text: string) =>
  text.replace(
    /"references": \[\n/,
    (match) => `${match}    {\n      "path": "../../packages/${name}"\n    },\n`
  )

const part = (name: string) => `/** ${Skeleton.capitalize(name)}: an item made, and read back. */
import { ${Skeleton.capitalize(name)}Item } from "@hypermarket/${name}/${Skeleton.capitalize(name)}Item"
import * as Effect from "effect/Effect"
import { HttpClient } from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as HttpClientResponse from "effect/http/HttpClientResponse"
import { failed } from "../../CommandFailed.ts"
import type { Part } from "../Part.ts"

export const ${name}: Part = {
  domain: "${name}",
  title: "${Skeleton.capitalize(name)} items",
  run: Effect.fnUntraced(function* ({ apiKey, apiUrl }) {
    const client = yield* HttpClient
    const answer = yield* client.execute(
      HttpClientRequest.post(\`\${apiUrl}/v1/${name}/items\`).pipe(
        HttpClientRequest.bearerToken(apiKey),
        HttpClientRequest.setHeader("idempotency-key", "quickstart"),
        HttpClientRequest.bodyJsonUnsafe({ name: "first" })
      )
    )
    if (answer.status !== 201) return yield* failed(\`POST /v1/${name}/items answered \${answer.status}\`)
    const item = yield* HttpClientResponse.schemaBodyJson(${Skeleton.capitalize(name)}Item)(answer)
    return {
      figures: { item: item.name },
      lines: [\`POST /v1/${name}/items: 201, \${item.name}\`],
      next: [\`curl -H "Authorization: Bearer $HM_API_KEY" $HM_API_URL/v1/${name}/items\`]
    }
  })
}
`

const enter = Effect.fnUntraced(function* (name: string) {
  const fs = yield* FileSystem.FileSystem
  const Name_ = Skeleton.capitalize(name)
  const changed: Array<string> = []
  const edit = (file: string, how: (text: string) => string) =>
    Effect.map(change(file, how), (file) => void changed.push(file))
  yield* edit("apps/installation/src/domains.ts", (text) =>
    before(
      /^import \* as EventsDomain/m,
      `import * as ${Name_}Domain from "@hypermarket/${name}/${Name_}Domain"`
    )(text).replace(/\.domain\n\]/, (match) => `${match.slice(0, -2)},\n  ${Name_}Domain.domain\n]`)
  )
  yield* edit("apps/api/src/endpoints.ts", (text) =>
    before(
      /^import \{ EventsApi \}/m,
      [
        `import { ${Name_}Api } from "@hypermarket/${name}/${Name_}Api"`,
        `import * as ${Name_}Domain from "@hypermarket/${name}/${Name_}Domain"`,
        `import * as ${Name_}Http from "@hypermarket/${name}/${Name_}Http"`,
        `import * as ${Name_}Reference from "@hypermarket/${name}/${Name_}Reference"`
      ].join("\n")
    )(text)
      .replace(/\n {2}\.annotateMerge\(/, (match) => `\n  .addHttpApi(${Name_}Api)${match}`)
      .replace(/\.reference\s*\]\n/, `.reference, ${Name_}Reference.reference]\n`)
      .replace(/\)\n\)\n*$/, `),\n  ${Name_}Http.layer.pipe(Layer.provide(${Name_}Domain.layer))\n)\n`)
  )
  for (const [app, range] of [
    ["installation", "workspace:*"],
    ["api", "workspace:*"],
    ["cli", "workspace:^"]
  ] as const) {
    yield* edit(`apps/${app}/package.json`, withDependency(name, range))
    yield* edit(`apps/${app}/tsconfig.json`, withReference(name))
  }
  // The planned domains are there already.
  if (!(yield* fs.readFileString(`${root}/packages/core/src/Reserved.ts`)).includes(`"${name}"`)) {
    yield* edit("packages/core/src/Reserved.ts", before(/^ {2}"events",$/m, `  "${name}",`))
  }
  yield* edit("apps/cli/src/quickstart/parts.ts", (text) =>
    before(
      /^import \{ events \}/m,
      `import { ${name} } from "./parts/${name}.ts"`
    )(text).replace(/\]\n*$/, `, ${name}]\n`)
  )
  yield* edit("apps/cli/test/figuresDocument.ts", (text) =>
    text.replace(
      /domains: Schema\.Struct\(\{\n/,
      (match) => `${match}    ${name}: Schema.Struct({ item: Schema.Literal("first") }),\n`
    )
  )
  yield* edit(".changeset/config.json", before(/^ +"hypermarket"$/m, `      "@hypermarket/${name}",`))
  yield* edit("README.md", (text) =>
    text.includes(`\`@hypermarket/${name}\``)
      ? text.replace(
          new RegExp(`\\| \`@hypermarket/${name}\``),
          `| [\`@hypermarket/${name}\`](packages/${name}/README.md)`
        )
      : text.replace(
          // The last row of the table of domains.
          /(\n\| [^\n]*\]\(packages\/[a-z]+\/README\.md\)[^\n]*\|)(?=\n\n)/,
          (row) =>
            `${row}\n| ${name} | [\`@hypermarket/${name}\`](packages/${name}/README.md) | ${name} items | items work |`
        )
  )
  yield* edit("apps/console/src/domains.ts", (text) => {
    const [comment = "", ...lines] = text.trimEnd().split("\n")
    return [comment, ...[...lines, Skeleton.consoleLine(name).trimEnd()].toSorted(), ""].join("\n")
  })
  const pages = yield* Skeleton.renderConsole(name)
  const written: ReadonlyArray<readonly [file: string, text: string]> = [
    ...pages.map(({ path, text }) => [`apps/console/src/domains/${name}/${path}`, text] as const),
    [`apps/cli/src/quickstart/parts/${name}.ts`, part(name)],
    [
      `.changeset/${name}-first.md`,
      `---\n"@hypermarket/${name}": minor\n---\n\nAdd \`@hypermarket/${name}\`: items of a tenant, as a service and over HTTP.\n`
    ]
  ]
  for (const [file, text] of written) {
    yield* fs.makeDirectory(Path.dirname(`${root}/${file}`), { recursive: true })
    yield* fs.writeFileString(`${root}/${file}`, text)
    changed.push(file)
  }
  return changed
})

const run = Effect.fnUntraced(function* (command: string, args: ReadonlyArray<string>) {
  const { code, stderr, stdout } = yield* Command.run(command, args, { cwd: root })
  if (code !== 0) return yield* fail(`${command} ${args.join(" ")} ended with ${code}\n${stdout}${stderr}`)
})

const program = Effect.gen(function* () {
  const fs = yield* FileSystem.FileSystem
  const name = yield* Schema.decodeUnknownEffect(Name)(process.argv[2]).pipe(
    Effect.mapError((error) => new NewDomainFailed({ message: `pnpm new-domain <name>: ${error.message}` }))
  )
  if (yield* fs.exists(`${root}/packages/${name}`)) return yield* fail(`packages/${name} exists already`)
  const folder = yield* writePackage(name)
  const changed = yield* enter(name)
  yield* run("oxfmt", [folder, ...changed.map((file) => `${root}/${file}`)])
  yield* run("npx", ["-y", "pnpm@12.21.0", "install"])
  yield* run("node", ["apps/installation/test/frozenMigrations.ts", "--update"])
  yield* Console.log([`packages/${name}`, ...changed, "pnpm-lock.yaml"].map((file) => `  ${file}`).join("\n"))
  yield* Console.log(
    `\nNext: replace the item by the domain's first noun, then run pnpm check, test and hygiene.`
  )
}).pipe(Effect.tapError((error) => Console.error("message" in error ? error.message : String(error))))

Main.run(program.pipe(Effect.scoped, Effect.provide(NodeServices.layer)))
