/**
 * The requests of Sentry's command-line client: uploads of scripts and source maps, and releases.
 *
 * The client refuses a base URL with a path, so that they are at the root under `/api/0`. Its organization is the tenant, and its
 * token is a server key with the scope `observability:write`.
 *
 * Source: https://develop.sentry.dev/sdk/data-model/debug-files/, and the requests of `@sentry/cli` 3.8.
 *
 * @since 0.1.0
 */
import * as ProtocolRoute from "@hypermarket/core/ProtocolRoute"
import { Tenant } from "@hypermarket/core/Tenant"
import * as Effect from "effect/Effect"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { promisify } from "node:util"
import { gunzip } from "node:zlib"
import { ReleaseName } from "./ErrorProject.ts"
import { chunkBytes, chunksMax, SourceMaps } from "./SourceMaps.ts"

/** Chunks of one request: with its parts' headers it is within the body budget of a tenant. */
const chunksPerRequest = 4
const bodyBytesMax = chunksPerRequest * chunkBytes + 64 * 1024
const jsonBytesMax = 256 * 1024
const projectsMax = 50
const retryAfterSeconds = 5

const answer = (status: number, body: Schema.Json) => HttpServerResponse.jsonUnsafe(body, { status })

const refusal = (status: number, detail: string) =>
  status === 429 || status === 503
    ? HttpServerResponse.jsonUnsafe(
        { detail },
        { status, headers: { "retry-after": String(retryAfterSeconds) } }
      )
    : answer(status, { detail })

const refusals = {
  unauthenticated: [401, "The token is unknown, expired or revoked: use a server key of the tenant"],
  "scope-missing": [403, "The key lacks the scope observability:write"],
  "key-kind-refused": [403, "A client key uploads nothing: use a server key"],
  "resource-refused": [403, "The key is for another resource"],
  "tenant-suspended": [403, "The tenant is suspended"],
  limited: [429, "Too much is sent; wait before sending again"],
  "body-too-large": [413, "The body is too large"],
  "body-too-slow": [408, "The body arrives too slowly"],
  "body-broken": [400, "The body cannot be decompressed"],
  deadline: [503, "It took too long; send it again"],
  "storage-unavailable": [503, "It cannot be stored now; send it again"]
} as const satisfies Record<ProtocolRoute.Reason, readonly [number, string]>

const options = {
  key: ["bearer"],
  scope: "observability:write",
  clientKeys: false,
  guard: "database",
  refuse: (reason: ProtocolRoute.Reason) => {
    const [status, detail] = refusals[reason]
    return refusal(status, detail)
  }
} as const satisfies Omit<ProtocolRoute.Options, "method" | "path" | "body">

const jsonBody = { max: jsonBytesMax, inflatedMax: jsonBytesMax }

const Checksum = Schema.String.check(Schema.isPattern(/^[0-9a-f]{40}$/))
const Projects = Schema.Array(Schema.String.check(Schema.isMinLength(1), Schema.isMaxLength(63))).check(
  Schema.isMinLength(1),
  Schema.isMaxLength(projectsMax)
)
const AssembleBody = Schema.Struct({
  checksum: Checksum,
  chunks: Schema.Array(Checksum).check(Schema.isMinLength(1), Schema.isMaxLength(chunksMax)),
  projects: Projects,
  version: Schema.optionalKey(Schema.NullOr(ReleaseName))
})
const NewReleaseBody = Schema.Struct({ version: ReleaseName, projects: Projects })
const ReleaseBody = Schema.Struct({ projects: Projects })

const decoderOf = <A>(schema: Schema.Codec<A, unknown>) => {
  const decode = Schema.decodeUnknownEffect(Schema.fromJsonString(Schema.toCodecJson(schema)))
  return (body: Uint8Array) => decode(new TextDecoder().decode(body))
}
const decodeAssemble = decoderOf(AssembleBody)
const decodeNewRelease = decoderOf(NewReleaseBody)
const decodeRelease = decoderOf(ReleaseBody)

const inflate = promisify(gunzip)

/** The chunks of a multipart body. Each part is named for its checksum. */
const chunksOf = (contentType: string, body: Uint8Array) =>
  Effect.tryPromise(async () => {
    const form = await new Response(Buffer.from(body), {
      headers: { "content-type": contentType }
    }).formData()
    const chunks: Array<{ readonly checksum: string; readonly payload: Uint8Array }> = []
    for (const [name, file] of form) {
      if (typeof file === "string" || (name !== "file" && name !== "file_gzip")) continue
      const bytes = new Uint8Array(await file.arrayBuffer())
      const payload =
        name === "file" ? bytes : new Uint8Array(await inflate(bytes, { maxOutputLength: chunkBytes }))
      chunks.push({ checksum: file.name, payload })
    }
    return chunks
  })

/**
 * The routes of uploads and releases.
 *
 * @category routes
 * @since 0.1.0
 */
export const routes: Effect.Effect<
  ReadonlyArray<ProtocolRoute.ProtocolRoute>,
  never,
  SourceMaps
> = Effect.gen(function* () {
  const sourceMaps = yield* SourceMaps

  const make = <E>(
    method: "GET" | "POST" | "PUT",
    path: `/${string}`,
    body: ProtocolRoute.Options["body"],
    handler: (
      input: ProtocolRoute.Input
    ) => Effect.Effect<HttpServerResponse.HttpServerResponse, E | Schema.SchemaError, Tenant>
  ) =>
    ProtocolRoute.make(
      { ...options, method, path: `/api/0/organizations/:organization${path}`, body },
      (input) =>
        Effect.gen(function* () {
          const tenant = yield* Tenant
          const { organization } = input.params
          if (organization !== tenant.id) {
            return refusal(
              403,
              `The key is of the organization ${tenant.id}, and not of ${organization ?? ""}`
            )
          }
          return yield* handler(input)
        }).pipe(
          Effect.catch((error) =>
            Effect.succeed(
              Schema.isSchemaError(error)
                ? refusal(400, `The body is not what this endpoint reads: ${error.message.slice(0, 300)}`)
                : options.refuse("storage-unavailable")
            )
          )
        )
    )

  const createRelease = Effect.fnUntraced(function* (version: string, names: ReadonlyArray<string>) {
    const { projectIds, unknown } = yield* sourceMaps.resolve(names)
    if (unknown.length > 0) return refusal(404, `There is no project ${unknown.join(", ")}`)
    const release = yield* sourceMaps.announce(projectIds, version)
    const dateCreated = release.toISOString()
    return answer(201, {
      version,
      shortVersion: version,
      dateCreated,
      dateReleased: dateCreated,
      newGroups: 0,
      commitCount: 0,
      projects: names.map((slug) => ({ slug, name: slug }))
    })
  })

  return [
    make("GET", "/chunk-upload/", jsonBody, ({ params }) =>
      Effect.succeed(
        answer(200, {
          url: `/api/0/organizations/${params["organization"] ?? ""}/chunk-upload/`,
          chunkSize: chunkBytes,
          chunksPerRequest,
          maxFileSize: chunksMax * chunkBytes,
          maxRequestSize: chunksPerRequest * chunkBytes,
          concurrency: 2,
          hashAlgorithm: "sha1",
          compression: ["gzip"],
          accept: ["release_files", "artifact_bundles", "artifact_bundles_v2"]
        })
      )
    ),
    make("POST", "/chunk-upload/", { max: bodyBytesMax, inflatedMax: bodyBytesMax }, ({ body, request }) =>
      Effect.gen(function* () {
        const chunks = yield* Effect.option(chunksOf(request.headers["content-type"] ?? "", body))
        if (Option.isNone(chunks)) return refusal(400, "The body is no multipart form of chunks")
        const stored = yield* sourceMaps.store(chunks.value)
        if (stored === "full") return refusal(429, "Too many chunks wait to be assembled")
        return stored.broken.length === 0
          ? answer(200, {})
          : refusal(400, `The bytes of ${stored.broken.join(", ")} are not those of the checksum`)
      })
    ),
    make("POST", "/artifactbundle/assemble/", jsonBody, ({ body }) =>
      Effect.gen(function* () {
        const { checksum, chunks, projects: names, version } = yield* decodeAssemble(body)
        const release = version ?? undefined
        const { detail, missingChunks, state } = yield* sourceMaps.assemble({
          checksum,
          chunks,
          projects: names,
          release
        })
        return answer(200, { state, missingChunks, detail })
      })
    ),
    make("POST", "/releases/", jsonBody, ({ body }) =>
      Effect.flatMap(decodeNewRelease(body), ({ projects: names, version }) => createRelease(version, names))
    ),
    make("PUT", "/releases/:version/", jsonBody, ({ body, params }) =>
      Effect.flatMap(decodeRelease(body), ({ projects: names }) =>
        createRelease(decodeURIComponent(params["version"] ?? ""), names)
      )
    )
  ]
})

/**
 * @category layers
 * @since 0.1.0
 */
export const layer = Layer.unwrap(Effect.map(routes, ProtocolRoute.layer))
