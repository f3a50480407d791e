/**
 * The three roles of an installation, as docs/operations.md describes them. The server's own role owns the tables. API, worker
 * and the quickstart's parts have `hm_app`, which owns nothing, and dashboards `hm_read`.
 */
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import { createHmac } from "node:crypto"

export const names = { api: "hm_app", read: "hm_read" } as const

/** 128 bits in hexadecimal digits. */
const passwordLength = 32

export interface Urls {
  readonly owner: string
  readonly api: string
  readonly read: string
}

/** Derived from the password of the data folder's server: the same at each start, and in no file. */
const passwordOf = (owner: URL, role: string): string =>
  createHmac("sha256", decodeURIComponent(owner.password)).update(role).digest("hex").slice(0, passwordLength)

/** Creates the roles where they are missing, and returns the URL of each. They get their privileges after the migrations. */
export const ensure = Effect.fn("Roles.ensure")(function* (ownerUrl: string) {
  const sql = yield* SqlClient.SqlClient
  const urlOf = (role: string): string => {
    const url = new URL(ownerUrl)
    url.password = passwordOf(url, role)
    url.username = role
    return url.toString()
  }
  for (const role of Object.values(names)) {
    const found = yield* sql`
      SELECT 1
        FROM pg_roles
       WHERE rolname = ${role}
    `
    if (found.length === 0) yield* sql`CREATE ROLE ${sql(role)} LOGIN`
    // ALTER ROLE takes no parameters; the password is hexadecimal.
    yield* sql.unsafe(`ALTER ROLE ${role} PASSWORD '${passwordOf(new URL(ownerUrl), role)}'`)
  }
  const urls: Urls = { owner: ownerUrl, api: urlOf(names.api), read: urlOf(names.read) }
  return urls
})
