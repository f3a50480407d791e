/**
 * `/docs`: the API reference as a page, and `/docs/problems`: every problem type the API answers with.
 */
import * as Problems from "@hypermarket/core/Problems"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as HttpApi from "effect/http-api/HttpApi"
import * as Layer from "effect/Layer"
import * as SchemaAST from "effect/SchemaAST"
import { Api } from "./Api.ts"

interface Documented extends Problems.Problem {
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
  return [...declared, ...everywhere].toSorted((a, b) => (a.type < b.type ? -1 : 1))
}

/** The page's script is three megabytes: loaded when somebody asks for it, and not when the process starts. */
const referenceRouter = Effect.cached(
  Effect.gen(function* () {
    const HttpApiScalar = yield* Effect.promise(() => import("effect/http-api/HttpApiScalar"))
    const router = yield* HttpRouter.make
    yield* Effect.scoped(
      Layer.build(
        HttpApiScalar.layer(Api, { path: "/docs", scalar: { withDefaultFonts: false } }).pipe(
          Layer.provide(Layer.succeed(HttpRouter.HttpRouter, router))
        )
      )
    )
    return router
  })
)

export const layer = HttpRouter.use(
  Effect.fnUntraced(function* (router) {
    const reference = yield* referenceRouter
    const page = Effect.flatMap(reference, (loaded) => loaded.asHttpEffect())
    yield* router.add("GET", "/docs", Effect.orDie(page))
    yield* router.add(
      "GET",
      "/docs/problems",
      Effect.sync(() => HttpServerResponse.jsonUnsafe({ items: problems() }))
    )
  })
)
