/**
 * `/docs`: the API reference as a page. `/docs/problems`: every problem type with its cause and its remedy, as a page for
 * browsers and as JSON for programs; `/docs/problems#<type>` is the place of one.
 */
import * as Problems from "@hypermarket/core/Problems"
import type { ProblemProse } from "@hypermarket/core/Reference"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as HttpApi from "effect/http-api/HttpApi"
import * as Layer from "effect/Layer"
import * as SchemaAST from "effect/SchemaAST"
import { createHash } from "node:crypto"
import { problems as consoleProblems } from "./console/problems.ts"
import { coreProblems } from "./coreProblems.ts"
import { Api, references } from "./endpoints.ts"

interface Documented extends Problems.Problem, Partial<ProblemProse> {
  readonly operations: ReadonlyArray<string>
}

const literalOf = (ast: SchemaAST.AST): unknown => (ast._tag === "Literal" ? ast.literal : undefined)

/** Reads type and title of a problem class from its schema's fixed members. */
const problemOf = (ast: SchemaAST.AST, status: number): Problems.Problem | undefined => {
  const struct = SchemaAST.toType(ast)
  const declared = struct._tag === "Declaration" ? struct.typeParameters[0] : struct
  if (declared?._tag !== "Objects") return undefined
  const member = (name: string) =>
    literalOf(
      declared.propertySignatures.find((signature) => signature.name === name)?.type ?? SchemaAST.undefined
    )
  const type = member("type")
  const title = member("title")
  return typeof type === "string" && typeof title === "string" ? { type, status, title } : undefined
}

const proseOf: Readonly<Record<string, ProblemProse | undefined>> = Object.assign(
  { ...coreProblems },
  ...references.map((reference) => reference.problems)
)

/** Every problem, with the operations that answer it; those of every endpoint come from core. */
export const problems = (): ReadonlyArray<Documented> => {
  const found = new Map<string, { problem: Problems.Problem; operations: Set<string> }>()
  HttpApi.reflect(Api, {
    onGroup: () => undefined,
    onEndpoint: ({ endpoint, errors }) => {
      for (const [status, schemas] of errors) {
        for (const schema of schemas) {
          const problem = problemOf(schema.ast, status)
          if (problem === undefined) continue
          const known = found.get(problem.type) ?? { problem, operations: new Set<string>() }
          known.operations.add(`${endpoint.method} ${endpoint.path}`)
          found.set(problem.type, known)
        }
      }
    }
  })
  const declared = Array.from(found.values(), ({ operations, problem }) => ({
    ...problem,
    operations: Array.from(operations)
  }))
  const everywhere = Problems.all
    .filter((problem) => !found.has(problem.type))
    .map((problem) => ({ ...problem, operations: ["*"] }))
  const ofConsole = consoleProblems.map((problem) => ({ ...problem, operations: ["*"] }))
  return [...declared, ...everywhere, ...ofConsole]
    .map((problem) => ({ ...problem, ...proseOf[problem.type] }))
    .toSorted((a, b) => (a.type < b.type ? -1 : 1))
}

const entities: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" }

const escape = (text: string): string => text.replaceAll(/[&<>"]/g, (character) => entities[character] ?? "")

/** Text in backticks is code. */
const formatted = (text: string): string => escape(text).replaceAll(/`([^`]+)`/g, "<code>$1</code>")

const section = ({ cause = "", operations, remedy = "", status, title, type }: Documented): string => `
    <section id="${escape(type)}">
      <h2>${escape(title)}</h2>
      <p><code>${escape(type)}</code>, status ${status}</p>
      <p>${formatted(cause)}</p>
      <p>${formatted(remedy)}</p>
      <p>${operations.includes("*") ? "Any operation." : operations.map((name) => `<code>${escape(name)}</code>`).join(", ")}</p>
    </section>`

const problemsPage = (): string => `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8" />
    <meta name="viewport" content="width=device-width, initial-scale=1" />
    <title>Problems</title>
  </head>
  <body>
    <h1>Problems</h1>${problems().map(section).join("")}
  </body>
</html>
`

/** The page loads nothing from elsewhere, shows fields in the order of the schemas, and offers no service of Scalar's. */
const scalarSettings = {
  withDefaultFonts: false,
  showDeveloperTools: "never",
  hideClientButton: true,
  orderSchemaPropertiesBy: "preserve",
  // The field for a key is there without choosing among schemes.
  authentication: { preferredSecurityScheme: "bearer" }
}

const inlineScript = /<script>([^]*?)<\/script>/g

/**
 * The page runs the scripts that it has and no other, asks this host alone, and is in no frame. Scalar writes its styles as
 * elements, so styles are allowed.
 */
const policyOf = (page: string): string => {
  const hashes = Array.from(
    page.matchAll(inlineScript),
    ([, script = ""]) => `'sha256-${createHash("sha256").update(script).digest("base64")}'`
  )
  return [
    "default-src 'none'",
    `script-src ${hashes.join(" ")}`,
    "style-src 'unsafe-inline'",
    "img-src 'self' data:",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'"
  ].join("; ")
}

/** The page's script is three megabytes: loaded when a reader asks for it, and not when the process starts. */
const loadPage = Effect.cached(
  Effect.gen(function* () {
    const HttpApiScalar = yield* Effect.promise(() => import("effect/http-api/HttpApiScalar"))
    const router = yield* HttpRouter.make
    yield* Effect.scoped(
      Layer.build(
        HttpApiScalar.layer(Api, { path: "/docs", scalar: scalarSettings }).pipe(
          Layer.provide(Layer.succeed(HttpRouter.HttpRouter, router))
        )
      )
    )
    const response = yield* router
      .asHttpEffect()
      .pipe(
        Effect.provideService(
          HttpServerRequest.HttpServerRequest,
          HttpServerRequest.fromWeb(new Request("http://localhost/docs"))
        ),
        Effect.scoped
      )
    const page = yield* Effect.promise(() => HttpServerResponse.toWeb(response).text())
    return HttpServerResponse.html(page).pipe(
      HttpServerResponse.setHeaders({
        "content-security-policy": policyOf(page),
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer"
      })
    )
  })
)

export const layer = HttpRouter.use(
  Effect.fnUntraced(function* (router) {
    const page = yield* loadPage
    // The address that is printed first leads somewhere. Relative: a proxy may serve the API under a path.
    yield* router.add("GET", "/", HttpServerResponse.redirect("docs", { status: 302 }))
    yield* router.add("GET", "/docs", Effect.orDie(page))
    yield* router.add(
      "GET",
      "/docs/problems",
      Effect.map(HttpServerRequest.HttpServerRequest, ({ headers }) =>
        HttpServerResponse.setHeader(
          (headers["accept"] ?? "").includes("text/html")
            ? HttpServerResponse.html(problemsPage())
            : HttpServerResponse.jsonUnsafe({ items: problems() }),
          "vary",
          "accept"
        )
      )
    )
  })
)
