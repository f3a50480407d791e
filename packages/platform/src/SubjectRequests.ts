/**
 * Exports and erases the data of persons over all domains, step by step. Each step is one call of one domain in one transaction
 * with its progress: a process that is killed loses one step, and any worker continues.
 *
 * An erasure looks through all domains until a pass finds nothing: what work in flight wrote after the first pass is found by the
 * next one. Then the request forgets the person.
 *
 * @since 0.1.0
 */
import * as Audit from "@hypermarket/core/Audit"
import * as AuditedChange from "@hypermarket/core/AuditedChange"
import * as EachTenant from "@hypermarket/core/EachTenant"
import * as Identifier from "@hypermarket/core/Identifier"
import * as Now from "@hypermarket/core/Now"
import * as Page from "@hypermarket/core/Page"
import { AllTenants, system, Tenant, type TenantId } from "@hypermarket/core/Tenant"
import { transactionOf } from "@hypermarket/core/Transaction"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Schedule from "effect/Schedule"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import * as Statements from "./subject/statements.ts"
import * as Steps from "./subject/steps.ts"
import {
  type NewSubjectRequest,
  SubjectPartNotFound,
  type SubjectRequest,
  SubjectRequestId,
  SubjectRequestNotFound,
  TenantNotSuspended
} from "./SubjectRequest.ts"
import { TenantAccounts } from "./TenantAccounts.ts"
import type { TenantNotFound } from "./TenantAccount.ts"

const loop = "platform.subject.run"
const roundLimit = "50 seconds"
/** Jobs of the person that a worker runs end within seconds. */
const waitingPoll = "1 second"

const pages = Page.make({
  list: "platform.subject-requests",
  key: Schema.Tuple([SubjectRequestId]),
  keyOf: ({ requestId }: SubjectRequest) => [requestId] as const
})

/**
 * @category services
 * @since 0.1.0
 */
export class SubjectRequests extends Context.Service<
  SubjectRequests,
  {
    /** Records a request. A worker runs it. */
    readonly create: (request: NewSubjectRequest) => Effect.Effect<SubjectRequest, SqlError, Tenant>
    readonly get: (
      requestId: SubjectRequestId
    ) => Effect.Effect<SubjectRequest, SubjectRequestNotFound | SqlError, Tenant>
    /** Lists requests, the newest first. */
    readonly list: (
      request: Page.Request
    ) => Effect.Effect<Page.Page<SubjectRequest>, Page.CursorInvalid | SqlError, Tenant>
    /** Reads a part of an export: lines of JSON, each with a table and a row. Records that it was read. */
    readonly part: (
      requestId: SubjectRequestId,
      number: number
    ) => Effect.Effect<string, SubjectRequestNotFound | SubjectPartNotFound | SqlError, Tenant>
    /** Records a request to erase everything of a suspended tenant, its log and its account included. */
    readonly createForTenant: (
      tenantId: TenantId
    ) => Effect.Effect<SubjectRequest, TenantNotFound | TenantNotSuspended | SqlError, AllTenants>
    /** Runs a request to its end, beside the workers. Waits for jobs in flight. */
    readonly finish: (
      owner: string,
      requestId: SubjectRequestId
    ) => Effect.Effect<SubjectRequest, SubjectRequestNotFound | SqlError, AllTenants>
    /** Runs requests that are due, for at most 50 seconds. */
    readonly runDue: Effect.Effect<void, SqlError, AllTenants>
    /** Deletes parts of exports that were done seven days ago. */
    readonly prune: Effect.Effect<void, SqlError, AllTenants>
  }
>()("@hypermarket/platform/SubjectRequests") {
  static readonly layer: Layer.Layer<SubjectRequests, never, SqlClient.SqlClient> = Layer.effect(
    SubjectRequests,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const statements = Statements.make(sql)
      const accounts = Context.get(yield* Layer.build(TenantAccounts.layer), TenantAccounts)
      const steps = Steps.make(sql, statements)

      const get = Effect.fn("SubjectRequests.get")(function* (requestId: SubjectRequestId) {
        const tenant = yield* Tenant
        const request = yield* statements.get(tenant.id, requestId)
        return request === undefined ? yield* new SubjectRequestNotFound({ requestId }) : request
      })

      const recorded = (
        self: Effect.Effect<SubjectRequest, SqlError, Tenant>,
        action: string
      ): Effect.Effect<SubjectRequest, SqlError, Tenant> =>
        AuditedChange.change(sql, self, {
          action,
          target: ({ requestId }) => ({ type: "subject-request", id: requestId }),
          after: ({ kind, state }) => ({ kind, state })
        })

      const create = Effect.fn("SubjectRequests.create")(function* ({ kind, subject }: NewSubjectRequest) {
        const tenant = yield* Tenant
        const now = yield* Now.now
        const requestId = yield* Identifier.next
        return yield* recorded(
          statements.insert({
            tenantId: tenant.id,
            requestId,
            kind,
            subject: { ...subject, identifiers: subject.identifiers ?? [] },
            now
          }),
          "subject.requested"
        )
      })

      /** An act of the installation on a tenant is in that tenant's log too. */
      const inLogOfTenant =
        (tenantId: TenantId) =>
        (self: Effect.Effect<SubjectRequest, SqlError>): Effect.Effect<SubjectRequest, SqlError> =>
          recorded(self, "tenant.erasure-requested").pipe(Audit.inLogOf(tenantId))

      const createForTenant = Effect.fn("SubjectRequests.createForTenant")(function* (tenantId: TenantId) {
        const now = yield* Now.now
        const requestId = yield* Identifier.next
        const { status } = yield* accounts.get(tenantId)
        if (status !== "suspended") return yield* new TenantNotSuspended({ tenantId })
        return yield* recorded(
          statements.insert({
            tenantId: system,
            requestId,
            kind: "tenant-erasure",
            subject: { kind: "user", id: tenantId, identifiers: [] },
            now
          }),
          "tenant.erasure-requested"
        ).pipe(Audit.inLogOf(system), inLogOfTenant(tenantId))
      })

      const list = Effect.fn("SubjectRequests.list")(function* (request: Page.Request) {
        const tenant = yield* Tenant
        const [before] = Option.getOrElse(yield* pages.after(request), () => [Page.lastUuid] as const)
        return yield* pages.page(
          yield* statements.list(tenant.id, before, Page.limitOf(request) + 1),
          request
        )
      })

      const part = Effect.fn("SubjectRequests.part")(function* (requestId: SubjectRequestId, number: number) {
        const tenant = yield* Tenant
        const read = Effect.gen(function* () {
          const request = yield* get(requestId)
          const lines =
            request.state === "done" ? yield* statements.part(tenant.id, requestId, number) : undefined
          if (lines === undefined) return yield* new SubjectPartNotFound({ part: number })
          yield* Audit.record({
            action: "subject.export-read",
            target: { type: "subject-request", id: requestId },
            after: { part: number }
          })
          return lines
        })
        return yield* transactionOf(sql)(read)
      })

      const finish = Effect.fn("SubjectRequests.finish")(function* (
        owner: string,
        requestId: SubjectRequestId
      ) {
        const turn = steps.next(requestId).pipe(Audit.inLogOf(owner))
        yield* Effect.repeat(turn, {
          until: ({ state }) => state !== "more",
          schedule: Schedule.forever
        }).pipe(
          Effect.repeat({ until: ({ state }) => state === "done", schedule: Schedule.spaced(waitingPoll) })
        )
        return yield* get(requestId).pipe(Audit.inLogOf(owner))
      })

      const runDue = Effect.gen(function* () {
        yield* AllTenants
        const now = yield* Now.now
        yield* EachTenant.run({
          loop,
          items: yield* statements.due(now),
          limit: roundLimit,
          turn: ({ requestId }) =>
            Effect.map(steps.next(requestId), ({ count, state }) => ({ count, hasMore: state === "more" }))
        }).pipe(Effect.provideService(SqlClient.SqlClient, sql))
      }).pipe(Effect.withSpan("SubjectRequests.runDue"))

      const prune = Effect.gen(function* () {
        yield* AllTenants
        yield* statements.prune(yield* Now.now)
      }).pipe(Effect.withSpan("SubjectRequests.prune"))

      return SubjectRequests.of({ create, get, list, part, createForTenant, finish, runDue, prune })
    })
  )
}
