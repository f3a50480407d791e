import { assert, layer } from "@effect/vitest"
import { provide, TenantId } from "@hypermarket/core/Tenant"
import { FeatureFlags } from "@hypermarket/platform/FeatureFlags"
import * as OfrepProtocol from "@hypermarket/platform/OfrepProtocol"
import * as TenantIsolation from "@hypermarket/testing/TenantIsolation"
import { Ajv2020 } from "ajv/dist/2020.js"
import { Effect, Schema } from "effect"
import { HttpClient, HttpClientRequest } from "effect/http"
import { parse } from "yaml"
import * as ConformanceData from "@hypermarket/testing/ConformanceData"
import { keyOf, layerServer, layerTokens, post, settled } from "./flagServer.ts"
import { acme, path, Single, decodeSingle, secretAddress, on, seeded, bearer } from "./ofrepFixture.ts"

const globex = TenantId.make("globex")

const openapi = ConformanceData.text("ofrep/openapi.yaml")

const Document = Schema.Struct({
  components: Schema.Struct({ schemas: Schema.Record(Schema.String, Schema.Json) })
})

/** Checks a body against a schema of OFREP's OpenAPI document, where that is present. */
const validate = (() => {
  if (openapi === undefined) return () => []
  // The document's alternatives of a value overlap: an integer is a number, and a flag without a value may have one.
  const text = openapi
    .replace(/(- )oneOf(:\s+- \$ref: "#\/components\/schemas\/booleanFlag")/, "$1anyOf$2")
    .replace(/(codeDefaultFlag:[\s\S]*?)properties: \{\}/, "$1not: { required: [value] }")
  const { schemas } = Schema.decodeUnknownSync(Document)(parse(text)).components
  const ajv = new Ajv2020({ strict: false, validateFormats: false })
  ajv.addSchema({ $id: "ofrep", components: { schemas } })
  return (name: string, body: unknown): ReadonlyArray<string> => {
    const check = ajv.compile({ $ref: `ofrep#/components/schemas/${name}` })
    return check(body) ? [] : (check.errors ?? []).map((error) => `${error.instancePath} ${error.message}`)
  }
})()

const decodeBulk = Schema.decodeEffect(
  Schema.fromJsonString(Schema.Struct({ flags: Schema.Array(Single), metadata: Single }))
)

layer(layerServer, { excludeTestServices: true })("OfrepProtocol", (it) => {
  TenantIsolation.protocols(
    it,
    OfrepProtocol.routes.pipe(Effect.provide(layerTokens)),
    Effect.gen(function* () {
      const flags = yield* FeatureFlags
      const key = `flag-${crypto.randomUUID()}`
      const owner = TenantId.make(`t${crypto.randomUUID().slice(0, 8)}`)
      const ownerKey = yield* keyOf(owner)
      yield* Effect.andThen(
        flags.create({ flagKey: key, kind: "boolean", environments: { live: on } }),
        settled("live", 1n)
      ).pipe(provide(owner))
      const payload = { context: { targetingKey: "1" } }
      return {
        ownerKey,
        strangerKey: yield* keyOf(globex),
        params: { key },
        payloads: { [path]: payload, [`${path}/:key`]: payload },
        watched: [`/v1/platform/flags/${key}`]
      }
    })
  )

  it.effect(
    `gives answers that the OpenAPI document allows${openapi === undefined ? " (document absent)" : ""}`,
    () =>
      Effect.gen(function* () {
        const key = yield* seeded(acme)
        let checked = 0
        for (const context of [{ targetingKey: "1" }, { targetingKey: "2", email: secretAddress }, {}]) {
          const bulk = yield* post(path, { context }, bearer(key))
          assert.strictEqual(bulk.status, 200, bulk.text)
          const { flags } = yield* decodeBulk(bulk.text)
          assert.deepStrictEqual(validate("bulkEvaluationSuccess", JSON.parse(bulk.text)), [])
          assert.lengthOf(flags, 8)
          for (const flag of [...flags, { key: "nowhere" }]) {
            const single = yield* post(`${path}/${String(flag["key"])}`, { context }, bearer(key))
            const schema =
              single.status === 200
                ? "serverEvaluationSuccess"
                : single.status === 404
                  ? "flagNotFound"
                  : "evaluationFailure"
            assert.deepStrictEqual(validate(schema, JSON.parse(single.text)), [], single.text)
            if (flag["key"] !== "nowhere") assert.deepStrictEqual(yield* decodeSingle(single.text), flag)
            checked++
          }
        }
        assert.strictEqual(checked, 27)
      })
  )

  it.effect("answers bad requests with the protocol's codes", () =>
    Effect.gen(function* () {
      const key = yield* seeded(acme)
      const cases: ReadonlyArray<readonly [string, Schema.Json, number, string]> = [
        ["nowhere", { context: {} }, 404, "FLAG_NOT_FOUND"],
        ["later", { context: {} }, 404, "FLAG_NOT_FOUND"],
        ["keyed", { context: {} }, 400, "TARGETING_KEY_MISSING"],
        ["keyed", { context: { targetingKey: "" } }, 400, "TARGETING_KEY_MISSING"],
        ["static", { text: "{" }, 400, "PARSE_ERROR"],
        ["static", { text: "" }, 400, "PARSE_ERROR"],
        ["static", {}, 400, "INVALID_CONTEXT"],
        ["static", [], 400, "INVALID_CONTEXT"],
        ["static", { context: "a" }, 400, "INVALID_CONTEXT"],
        ["static", { context: [] }, 400, "INVALID_CONTEXT"],
        ["static", { context: null }, 400, "INVALID_CONTEXT"],
        ["static", { context: { targetingKey: { a: 1 } } }, 400, "INVALID_CONTEXT"],
        [
          "static",
          { text: `{"context":{"a":${"[".repeat(1000)}${"]".repeat(1000)}}}` },
          400,
          "INVALID_CONTEXT"
        ],
        ["static", { context: { a: "x".repeat(1_000_000) } }, 400, "INVALID_CONTEXT"]
      ]
      for (const [flag, body, status, code] of cases) {
        const answer = yield* post(`${path}/${flag}`, body, bearer(key))
        assert.strictEqual(answer.status, status, `${flag} ${answer.text}`)
        assert.deepInclude(yield* decodeSingle(answer.text), { key: flag, errorCode: code })
        const schema = status === 404 ? "flagNotFound" : "evaluationFailure"
        assert.deepStrictEqual(validate(schema, JSON.parse(answer.text)), [])
        if (code !== "PARSE_ERROR" && code !== "INVALID_CONTEXT") continue
        const bulk = yield* post(path, body, bearer(key))
        assert.strictEqual(bulk.status, status)
        assert.deepInclude(yield* decodeSingle(bulk.text), { errorCode: code })
        assert.deepStrictEqual(validate("bulkEvaluationFailure", JSON.parse(bulk.text)), [])
      }
    })
  )

  it.effect("answers 413 to a body larger than any context, before it is evaluated", () =>
    Effect.gen(function* () {
      const key = yield* seeded(acme)
      for (const route of [path, `${path}/static`]) {
        const answer = yield* post(route, { context: { a: "x".repeat(2_000_000) } }, bearer(key))
        assert.strictEqual(answer.status, 413)
        assert.strictEqual(answer.headers["content-type"], "application/problem+json")
        assert.strictEqual(answer.headers["access-control-allow-origin"], "*")
      }
    })
  )

  it.effect("takes the key as bearer token and in X-API-Key, and refuses one without the scope", () =>
    Effect.gen(function* () {
      const key = yield* seeded(acme)
      const body = { context: { targetingKey: "1" } }
      const answers = yield* Effect.forEach(
        [
          bearer(key),
          { "x-api-key": key },
          {},
          bearer("hm_wrong"),
          bearer(yield* keyOf(acme, { scopes: ["events:read"] }))
        ],
        (headers) => Effect.map(post(path, body, headers), ({ status }) => status)
      )
      assert.deepStrictEqual(answers, [200, 200, 401, 401, 403])
    })
  )

  it.effect("evaluates in the key's own environment and tenant only", () =>
    Effect.gen(function* () {
      yield* seeded(acme)
      const staging = yield* keyOf(acme, { environment: "staging" })
      const stranger = yield* keyOf(globex)
      const body = { context: { targetingKey: "1" } }
      const inStaging = yield* decodeBulk((yield* post(path, body, bearer(staging))).text)
      assert.deepStrictEqual(
        inStaging.flags.map((flag) => [flag["key"], flag["value"]]),
        [["static", false]]
      )
      const foreign = yield* decodeBulk((yield* post(path, body, bearer(stranger))).text)
      assert.deepStrictEqual(foreign.flags, [])
      const single = yield* post(`${path}/static`, body, bearer(stranger))
      assert.strictEqual(single.status, 404)
    })
  )

  it.effect(
    "changes the ETag when an attribute or the revision changes, and answers 304 to it only then",
    () =>
      Effect.gen(function* () {
        const key = yield* seeded(acme)
        const flags = yield* FeatureFlags
        const ask = (context: Schema.Json, tag?: string) =>
          post(path, { context }, { ...bearer(key), ...(tag === undefined ? {} : { "if-none-match": tag }) })
        const first = yield* ask({ targetingKey: "1", email: "a@b.example" })
        const tag = first.headers["etag"] ?? ""
        assert.match(tag, /^"\d+-[0-9a-f]{32}"$/)
        const same = yield* ask({ email: "a@b.example", targetingKey: "1" }, tag)
        assert.deepStrictEqual([same.status, same.text, same.headers["etag"]], [304, "", tag])
        assert.strictEqual((yield* ask({ email: "a@b.example", targetingKey: "1" }, `W/${tag}`)).status, 304)
        const other = yield* ask({ targetingKey: "1", email: secretAddress }, tag)
        assert.strictEqual(other.status, 200)
        assert.notStrictEqual(other.headers["etag"], tag)
        const before = yield* flags.get("static").pipe(provide(acme))
        yield* flags
          .change("static", before.version, { metadata: { at: before.version } })
          .pipe(provide(acme))
        const revision = BigInt(/\d+/.exec(tag)?.[0] ?? "0") + 1n
        // A client that was told of the revision gets it, however young the one in memory is.
        const told = yield* post(
          `${path}?flagConfigEtag=${revision}`,
          { context: { targetingKey: "1", email: "a@b.example" } },
          { ...bearer(key), "if-none-match": tag }
        )
        assert.strictEqual(told.status, 200)
        assert.include(told.headers["etag"] ?? "", `"${revision}-`)
      })
  )

  it.effect("never sends rules, segments or what is wrong with them to a client key", () =>
    Effect.gen(function* () {
      yield* seeded(acme)
      const client = yield* keyOf(acme, { kind: "client" })
      const server = yield* keyOf(acme)
      const context = { targetingKey: "2", email: secretAddress }
      const answers = yield* Effect.forEach([path, `${path}/rules`], (route) =>
        Effect.all([post(route, { context }, bearer(client)), post(route, { context }, bearer(server))])
      )
      for (const [forClient, forServer] of answers) {
        assert.strictEqual(forClient.status, 200)
        assert.notInclude(forClient.text, "ruleId")
        assert.notInclude(forClient.text, secretAddress)
        assert.include(forServer.text, `"ruleId":"board"`)
      }
    })
  )

  it.effect("answers a preflight without a key and lets any origin read every answer", () =>
    Effect.gen(function* () {
      const preflight = yield* HttpClient.execute(
        HttpClientRequest.make("OPTIONS")(path).pipe(
          HttpClientRequest.setHeaders({
            origin: "https://shop.example",
            "access-control-request-method": "POST",
            "access-control-request-headers": `authorization, x-api-key, ${"x".repeat(65)}`
          })
        )
      )
      assert.strictEqual(preflight.status, 204)
      assert.strictEqual(preflight.headers["access-control-allow-headers"], "authorization, x-api-key")
      const refused = yield* post(path, {}, {})
      assert.strictEqual(refused.status, 401)
      assert.strictEqual(refused.headers["access-control-allow-origin"], "*")
      assert.include(refused.headers["access-control-expose-headers"] ?? "", "ETag")
    })
  )
})
