/** The types of the client. The compiler checks them; a wrong one fails `check`. */
import { assert, describe, it } from "@effect/vitest"
import type { Endpoint, Input, Success } from "../src/api/Endpoints.ts"

type Json =
  | string
  | number
  | boolean
  | null
  | undefined
  | ReadonlyArray<Json>
  | { readonly [name: string]: Json }

/** The endpoints whose answer is neither JSON nor nothing. */
type NotJson = { readonly [K in Endpoint]: [Success<K>] extends [Json | void] ? never : K }[Endpoint]

type Redrive = Input<"POST /v1/events/queues/:queue/redrive">

const isNever: [NotJson] extends [never] ? true : NotJson = true

describe("The typed client", () => {
  it("has an answer of JSON for every endpoint: no Date, no bigint", () => {
    assert.isTrue(isNever)
  })

  it("has the fields that an endpoint takes, as they are on the wire", () => {
    const redrive: Redrive = { params: { queue: "mails" }, payload: { perSecond: 20 } }
    const day: Success<"GET /v1/analytics/closes">["items"][number]["fromDay"] = "2026-01-01"
    assert.deepStrictEqual([redrive.payload.perSecond, day], [20, "2026-01-01"])
  })

  it("refuses a field that the endpoint does not take, and a path that it does not have", () => {
    // @ts-expect-error The field is named perSecond.
    const field: Redrive = { params: { queue: "mails" }, payload: { perSeconds: 20 } }
    // @ts-expect-error There is no such path.
    const path: Endpoint = "GET /v1/events/queue"
    assert.isDefined([field, path])
  })
})
