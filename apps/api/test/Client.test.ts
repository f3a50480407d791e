import { assert, describe, it, layer } from "@effect/vitest"
import { Api } from "@hypermarket/api/endpoints"
import { createClient, HypermarketError } from "@hypermarket/client"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { Context, Effect, Layer } from "effect"
import { OpenApi } from "effect/http-api"
import { execFile } from "node:child_process"
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { promisify } from "node:util"
import { makeKey, startApi } from "./apiProcess.ts"
import * as ClientSource from "./ClientSource.ts"
import * as LossyProxy from "./lossyProxy.ts"

/** The process of an API and a key of a tenant. */
class Installation extends Context.Service<Installation, { readonly url: string; readonly key: string }>()(
  "@hypermarket/api/test/Client/Installation"
) {
  static readonly layer = Layer.effect(
    Installation,
    Effect.gen(function* () {
      const { url } = yield* TestDatabase.TestDatabase
      const api = yield* startApi(url)
      const key = yield* makeKey(url, {
        tenant: "lamps",
        scopes: [
          "events:read",
          "events:write",
          "events:admin",
          "events:payload",
          "customers:contact",
          "search:read",
          "search:write",
          "search:admin",
          "analytics:read",
          "audit:read"
        ]
      })
      return { url: api.url, key }
    })
  ).pipe(Layer.provide(TestDatabase.layerDatabase()))
}

/** Runs a part that is written with promises, as a user of the client writes it. */
const withInstallation = (
  run: (installation: { readonly url: string; readonly key: string }) => Promise<void>
) => Effect.flatMap(Installation, (installation) => Effect.promise(() => run(installation)))

const rejectionOf = (promise: PromiseLike<unknown>): PromiseLike<unknown> =>
  promise.then(
    () => assert.fail("the call did not fail"),
    (error: unknown) => error
  )

const failureOf = async (promise: PromiseLike<unknown>): Promise<HypermarketError> => {
  const error = await rejectionOf(promise)
  if (error instanceof HypermarketError) return error
  throw error
}

const clientFolder = `${import.meta.dirname}/../../../packages/client`

/** Runs programs in a folder that has the client installed and nothing else, and returns their output. */
const runPrograms = async (
  programs: ReadonlyArray<string>,
  env: Readonly<Record<string, string>>
): Promise<ReadonlyArray<string>> => {
  const folder = mkdtempSync(`${tmpdir()}/hm-client-`)
  try {
    mkdirSync(`${folder}/node_modules/@hypermarket`, { recursive: true })
    symlinkSync(clientFolder, `${folder}/node_modules/@hypermarket/client`)
    const outputs: Array<string> = []
    for (const [index, program] of programs.entries()) {
      writeFileSync(`${folder}/${index}.mts`, program)
      const { stdout } = await promisify(execFile)(process.execPath, [`${folder}/${index}.mts`], {
        env: { ...process.env, ...env }
      })
      outputs.push(stdout)
    }
    return outputs
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** A status of a proxy that has no API behind it for a moment. */
const unavailable = { status: 503, headers: { "retry-after": "0" } }

layer(Installation.layer, { excludeTestServices: true })("The client", (it) => {
  it.effect("publishes an event with its defaults, a batch of them, and nothing twice", () =>
    withInstallation(async ({ key, url }) => {
      const hm = createClient({ url, key })
      const event = { id: "o-7:placed", type: "com.example.order.placed", data: { total: 4_100n } }
      assert.deepStrictEqual(await hm.events.publish({ body: event }), {
        items: [{ id: "o-7:placed", state: "accepted" }]
      })
      const batch = await hm.events.publish({ body: [event, { ...event, id: "o-8:placed" }] })
      assert.deepStrictEqual(
        batch.items.map(({ state }) => state),
        ["duplicate", "accepted"]
      )
      const conflict = await failureOf(hm.events.publish({ body: { ...event, data: { total: 1n } } }))
      assert.strictEqual(conflict.status, 409)
      assert.isTrue(conflict.is("urn:hypermarket:problem:events:event-conflict"))
      if (conflict.is("urn:hypermarket:problem:events:event-conflict")) {
        assert.strictEqual(conflict.problem.source, "/")
      }
    })
  )

  it.effect("awaits the first page of a list and iterates all of them", () =>
    withInstallation(async ({ key, url }) => {
      const hm = createClient({ url, key: () => Promise.resolve(key) })
      const names = Array.from({ length: 5 }, (_, index) => `paged-${index}`)
      for (const name of names) {
        await hm.subscriptions.create({ body: { name, queue: "paged", filters: [] } })
      }
      const page = await hm.subscriptions.list({ limit: 2 })
      assert.strictEqual(page.items.length, 2)
      const found: Array<string> = []
      for await (const subscription of hm.subscriptions.list({ limit: 2 })) {
        if (subscription.queue === "paged") found.push(subscription.name)
      }
      assert.sameMembers(found, names)
    })
  )

  it.effect("sends the version that was read, and rejects with the problem when it is stale", () =>
    withInstallation(async ({ key, url }) => {
      const hm = createClient({ url, key })
      const { subscriptionId, version } = await hm.subscriptions.create({
        body: { name: "changed", queue: "changed", filters: [] }
      })
      const changed = await hm.subscriptions.change({ subscriptionId, version, body: { name: "renamed" } })
      assert.strictEqual(changed.name, "renamed")
      const stale = await failureOf(
        hm.subscriptions.change({ subscriptionId, version, body: { name: "again" } })
      )
      assert.strictEqual(stale.status, 412)
      assert.strictEqual(stale.operation, "subscriptions.change")
      assert.isString(stale.requestId)
      assert.isUndefined(await hm.subscriptions.remove({ subscriptionId, version: changed.version }))
    })
  )

  it.effect("names the field that was wrong, and never the key", () =>
    withInstallation(async ({ key, url }) => {
      const hm = createClient({ url, key })
      const body: unknown = {
        measures: ["ordres"],
        timeDimension: { from: "2026-02-01", until: "2026-03-01" }
      }
      const failure = await failureOf(Reflect.apply(hm.sales.run, undefined, [{ body }]))
      assert.include(failure.message, "sales.run: Bad Request (measures.0: Expected")
      const refused = await failureOf(createClient({ url, key: `${key}x` }).queues.list())
      assert.strictEqual(refused.status, 401)
      assert.notInclude(JSON.stringify([refused.message, refused.stack, refused.problem]), key)
    })
  )

  it.effect("keeps one idempotency key over its attempts: a lost creation is done once", () =>
    withInstallation(async ({ key, url }) => {
      await using proxy = await LossyProxy.start(url, ["lose", unavailable])
      const hm = createClient({ url: proxy.url, key })
      const created = await hm.subscriptions.create({ body: { name: "once", queue: "once", filters: [] } })
      assert.strictEqual(proxy.sent.length, 3)
      assert.strictEqual(new Set(proxy.sent.map(({ headers }) => headers["idempotency-key"])).size, 1)
      const found: Array<string> = []
      for await (const { queue, subscriptionId } of createClient({ url, key }).subscriptions.list()) {
        if (queue === "once") found.push(subscriptionId)
      }
      assert.deepStrictEqual(found, [created.subscriptionId])
    })
  )

  it.effect("repeats no request that may have been carried out and cannot be repeated", () =>
    withInstallation(async ({ key, url }) => {
      await using proxy = await LossyProxy.start(url, ["lose", unavailable])
      const hm = createClient({ url: proxy.url, key })
      assert.instanceOf(await rejectionOf(hm.queues.pause({ queue: "paged" })), TypeError)
      const refused = await failureOf(hm.queues.pause({ queue: "paged" }))
      assert.strictEqual(refused.status, 503)
      assert.strictEqual(proxy.sent.length, 2)
      await using second = await LossyProxy.start(url, ["lose", unavailable])
      const asked = createClient({ url: second.url, key })
      await asked.queues.pause({ queue: "rated" }, { repeatable: true }).catch(() => undefined)
      assert.strictEqual(second.sent.length, 3)
    })
  )

  it.effect("repeats what the service refused for its rate, and not what another server did", () =>
    withInstallation(async ({ key, url }) => {
      const ours = {
        status: 429,
        headers: { "content-type": "application/problem+json", "retry-after": "0" },
        body: JSON.stringify({ type: "urn:hypermarket:problem:quotas:rate", title: "Rate", status: 429 })
      }
      await createClient({ url, key }).subscriptions.create({
        body: { name: "rated", queue: "rated", filters: [] }
      })
      const foreign = { status: 429, headers: { "content-type": "text/html" }, body: "<p>slow down" }
      await using proxy = await LossyProxy.start(url, [ours, ours, "pass", foreign])
      const hm = createClient({ url: proxy.url, key })
      await hm.queues.pause({ queue: "rated" })
      assert.strictEqual(proxy.sent.length, 3)
      const refused = await failureOf(hm.queues.pause({ queue: "rated" }))
      assert.deepInclude(refused.problem, { type: "about:blank", detail: "<p>slow down" })
      assert.strictEqual(proxy.sent.length, 4)
    })
  )

  it.effect("follows no redirect, which would take the key to another host", () =>
    withInstallation(async ({ key, url }) => {
      await using elsewhere = await LossyProxy.start(url, [])
      await using proxy = await LossyProxy.start(url, [
        { status: 307, headers: { location: `${elsewhere.url}/v1/events/queues` } }
      ])
      const refused = await failureOf(createClient({ url: proxy.url, key }).queues.list())
      assert.strictEqual(refused.status, 307)
      assert.strictEqual(elsewhere.sent.length, 0)
    })
  )

  it.effect("gives up before its timeout when the service asks for a longer wait", () =>
    withInstallation(async ({ key, url }) => {
      await using proxy = await LossyProxy.start(url, [{ status: 503, headers: { "retry-after": "50" } }])
      const refused = await failureOf(
        createClient({ url: proxy.url, key }).queues.list({}, { timeout: 20_000 })
      )
      assert.strictEqual(refused.status, 503)
      assert.strictEqual(proxy.sent.length, 1)
    })
  )

  it.effect("ends with the caller's reason, and with a timeout of its own", () =>
    withInstallation(async ({ key, url }) => {
      await using proxy = await LossyProxy.start(
        url,
        Array.from({ length: 40 }, () => ({ status: 503 }))
      )
      const hm = createClient({ url: proxy.url, key, attempts: 40 })
      const reason = new Error("the visitor left")
      const controller = new AbortController()
      const aborted = hm.queues.list({}, { signal: controller.signal })
      controller.abort(reason)
      assert.strictEqual(await rejectionOf(aborted), reason)
      const late = createClient({
        url,
        key,
        fetch: (_, init) =>
          new Promise((_resolve, reject) => {
            init?.signal?.addEventListener("abort", () => reject(init.signal?.reason))
          })
      })
      assert.include(String(await rejectionOf(late.queues.list({}, { timeout: 1 }))), "TimeoutError")
    })
  )

  it.effect("reaches no other operation by a segment that goes up", () =>
    withInstallation(async ({ key, url }) => {
      await using proxy = await LossyProxy.start(url, [])
      const hm = createClient({ url: proxy.url, key })
      for (const queue of ["..", ".", ""]) {
        const error = await rejectionOf(hm.queues.pause({ queue }))
        assert.instanceOf(error, TypeError)
        assert.include(String(error), `queues.pause: "queue"`)
      }
      assert.strictEqual(proxy.sent.length, 0)
      await failureOf(hm.queues.get({ queue: "a/../b" }))
      assert.strictEqual(proxy.sent[0]?.path, "/v1/events/queues/a%2F..%2Fb")
    })
  )

  it.effect("runs as its README has it", () =>
    withInstallation(async ({ key, url }) => {
      await createClient({ url, key }).indexes.create({ body: { indexName: "products" } })
      const readme = readFileSync(`${clientFolder}/README.md`, "utf8")
      const blocks = Array.from(readme.matchAll(/```ts\n(.*?)```/gs), ([, block = ""]) => block)
      const outputs = await runPrograms(blocks, { HM_API_URL: url, HM_API_KEY: key })
      assert.strictEqual(outputs.length, 3)
      assert.match(outputs[0] ?? "", /^0 products found\n/)
      // The figures have the order when a worker has read its event, and here is none.
      assert.strictEqual(outputs[1], "[]\n")
      assert.strictEqual(outputs[2], "there is no queue unknown\n")
    })
  )

  it.effect("returns the response itself where it is no JSON", () =>
    withInstallation(async ({ key, url }) => {
      const response = await createClient({ url, key }).audit.exportActivity({ format: "csv" })
      assert.include(response.headers.get("content-type") ?? "", "text/csv")
      assert.isNotEmpty(await response.text())
    })
  )
})

describe("The generated files of the client", () => {
  it("are those of the document: else run `pnpm generate`", () => {
    const folder = `${import.meta.dirname}/../../../packages/client/src/internal`
    for (const [name, text] of Object.entries(ClientSource.make({ ...OpenApi.fromApi(Api) }))) {
      assert.strictEqual(readFileSync(`${folder}/${name}`, "utf8"), text, name)
    }
  })

  it("are refused for a document with a form that they cannot express", () => {
    const document = {
      paths: {
        "/v1/lamps": {
          get: {
            operationId: "lamps.list",
            responses: { 200: { content: { "application/json": { schema: { dependentRequired: {} } } } } }
          }
        }
      },
      components: { schemas: {} }
    }
    assert.throws(() => ClientSource.make(document), /does not support .*dependentRequired/)
  })
})
