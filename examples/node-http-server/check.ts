/** Makes a tenant with two keys, starts the server, and asks it with each of them and with none. */
import * as Database from "@hypermarket/core/Database"
import { AllTenants, provide, TenantId } from "@hypermarket/core/Tenant"
import { ApiKeys } from "@hypermarket/platform/ApiKeys"
import * as PlatformDomain from "@hypermarket/platform/PlatformDomain"
import { TenantAccounts } from "@hypermarket/platform/TenantAccounts"
import { Effect, Layer } from "effect"
import { strict as assert } from "node:assert"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { createInterface } from "node:readline"

const acme = TenantId.make("acme")

const [reader = "", stranger = ""] = await Effect.gen(function* () {
  const tenants = yield* TenantAccounts
  const keys = yield* ApiKeys
  yield* tenants
    .create({ tenantId: acme, name: "Acme" })
    .pipe(Effect.ignore, Effect.provideService(AllTenants, { actor: "example" }))
  const issue = (scope: string) => keys.create({ name: scope, scopes: [scope] }, "operator")
  const issued = yield* Effect.forEach(["orders:admin", "search:read"], issue).pipe(provide(acme))
  return issued.map(({ secret }) => secret ?? "")
}).pipe(Effect.provide(PlatformDomain.layer.pipe(Layer.provide(Database.layerConfig))), Effect.runPromise)

const server = spawn(process.execPath, ["main.ts"], {
  stdio: ["ignore", "pipe", "inherit"],
  env: { ...process.env, PORT: "0" }
})
try {
  const [line] = await once(createInterface(server.stdout), "line")
  const { port } = JSON.parse(String(line))
  const ask = async (headers: Record<string, string>) => {
    const response = await fetch(`http://127.0.0.1:${port}/orders`, { headers })
    return [response.status, await response.json()]
  }
  assert.deepEqual(await ask({}), [401, { error: "no such key" }])
  assert.deepEqual(await ask({ authorization: `Bearer ${reader}x` }), [401, { error: "no such key" }])
  assert.deepEqual(await ask({ authorization: `Bearer ${stranger}` }), [
    403,
    { error: "the key lacks orders:read" }
  ])
  assert.deepEqual(await ask({ authorization: `Bearer ${reader}` }), [200, { tenant: "acme", orders: [] }])
  server.kill("SIGTERM")
  assert.deepEqual(await once(server, "exit"), [0, null])
  console.log("the server let in the key that may read orders, and no other")
} finally {
  server.kill("SIGKILL")
}
