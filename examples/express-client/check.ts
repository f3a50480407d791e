/** Starts the API and the worker as an operator would, and the shop beside them. */
import { spawn, spawnSync } from "node:child_process"
import { randomBytes } from "node:crypto"
import { once } from "node:events"
import { eventually, freePort, shopCheck } from "../shopCheck.ts"

const command = `${import.meta.dirname}/../../apps/cli/src/main.ts`
const scopes = ["events:admin", "search:read", "analytics:read"]

await shopCheck(async (port) => {
  const [apiPort, workerPort] = [await freePort(), await freePort()]
  const env = {
    ...process.env,
    HM_API_PORT: String(apiPort),
    HM_WORKER_PORT: String(workerPort),
    HM_SECRETS_KEYS: `check:${randomBytes(32).toString("base64")}`,
    // The shop is on this machine, and has no TLS.
    HM_OUTBOUND_ALLOW: `127.0.0.1/32:${port}`
  }
  const run = (...args: ReadonlyArray<string>) => {
    const { status, stderr, stdout } = spawnSync(process.execPath, [command, ...args], {
      env,
      encoding: "utf8"
    })
    if (status !== 0) throw new Error(stderr)
    return stdout
  }
  run("tenants", "create", "acme")
  const [key = ""] =
    /hm_\S+/.exec(run("keys", "create", "acme", ...scopes.flatMap((scope) => ["--scope", scope]))) ?? []
  const processes = ["api", "worker"].map((name) =>
    spawn(process.execPath, [command, name], { env, stdio: ["ignore", "ignore", "inherit"] })
  )
  const url = `http://127.0.0.1:${apiPort}`
  await eventually(
    () => fetch(`${url}/health/ready`),
    ({ status }) => status === 200
  )
  return {
    env: {
      HM_API_URL: url,
      HM_API_KEY: key,
      WEBHOOK_SECRET: `whsec_${randomBytes(32).toString("base64")}`
    },
    stop: async () => {
      const ends = processes.map((child) => once(child, "exit"))
      for (const child of processes) child.kill("SIGTERM")
      await Promise.all(ends)
    }
  }
})
