/**
 * The peer of `bench http`: node:http and pg, the same SQL and the same body as GET /v1/platform/tenant, and nothing
 * else: no authentication, no request id, no access log, no validation.
 */
import { createServer } from "node:http"
import { Pool } from "pg"

const pool = new Pool({ connectionString: process.env.DATABASE_URL, max: 10 })

const query = {
  name: "tenant",
  text: `SELECT tenant_id AS "tenantId", name, plan, region, status, status_reason AS "statusReason",
                version, recorded_at AS "recordedAt", updated_at AS "updatedAt"
           FROM hm_tenant WHERE tenant_id = $1`
}

createServer((request, response) => {
  pool.query({ ...query, values: ["bench"] }).then(
    ({ rows }) => {
      const body = JSON.stringify(rows[0])
      response.writeHead(200, {
        "content-type": "application/json",
        "content-length": Buffer.byteLength(body)
      })
      response.end(body)
    },
    () => {
      response.writeHead(503)
      response.end()
    }
  )
}).listen(Number(process.env.PORT), "127.0.0.1")
