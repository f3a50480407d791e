/**
 * Stores submissions of any tenants in one transaction: a few statements per batch, however many events it has.
 *
 * The rows of the projects are locked first. Under the lock, grouping and the states of issues are read, decided and
 * written, so that a hash never has two issues and each change of a state is published once.
 */
import * as Now from "@hypermarket/core/Now"
import * as Outbox from "@hypermarket/core/Outbox"
import * as Identifier from "@hypermarket/core/Identifier"
import { provide, TenantId } from "@hypermarket/core/Tenant"
import { isOpen, transactionOf } from "@hypermarket/core/Transaction"
import * as Effect from "effect/Effect"
import type * as SqlClient from "effect/sql/SqlClient"
import * as Grouped from "./groupedBatch.ts"
import * as Alert from "./issueAlert.ts"
import * as MonitorWriter from "./monitorWriter.ts"
import * as PendingStatements from "./pendingStatements.ts"
import type { Submission } from "./submission.ts"
import * as WriterReads from "./writerReads.ts"
import * as WriterStatements from "./writerStatements.ts"

const tenantOf = (tenantId: string) => TenantId.make(tenantId, { disableChecks: true })

export const make = (sql: SqlClient.SqlClient) => {
  const reads = WriterReads.make(sql)
  const statements = WriterStatements.make(sql)
  const pending = PendingStatements.make(sql)
  const monitors = MonitorWriter.make(sql)

  const publish = Effect.fnUntraced(function* (changes: ReadonlyArray<Grouped.Changed>) {
    const outbox = yield* Outbox.Outbox
    const byTenant = Map.groupBy(changes, ({ tenantId }) => tenantId)
    for (const [tenantId, ofTenant] of byTenant) {
      const events = yield* Effect.forEach(ofTenant, Alert.eventOf)
      yield* outbox.publish(events).pipe(provide(tenantOf(tenantId)))
    }
  })

  /**
   * Returns the number of events that were stored: those that were not known. Events with a source map wait for a worker,
   * unless they come from it.
   */
  return Effect.fnUntraced(function* (
    submissions: ReadonlyArray<Submission>,
    from: "intake" | "worker" = "intake"
  ) {
    const isJoined = yield* isOpen(sql)
    return yield* transactionOf(sql)(
      Effect.gen(function* () {
        const projects = new Set(
          (yield* reads.lockProjects(submissions)).map(({ projectId, tenantId }) =>
            Grouped.keyOf(tenantId, projectId)
          )
        )
        const open = submissions.filter(({ projectId, tenantId }) =>
          projects.has(Grouped.keyOf(tenantId, projectId))
        )
        if (open.length === 0) return 0
        const entries = open.flatMap(({ events, projectId, tenantId }) =>
          events.map((event) => ({ tenantId, projectId, event }))
        )
        const logIds = yield* Identifier.nextMany(entries.length)
        const sent = Grouped.distinct(entries, logIds)
        const { held, ready } = from === "intake" ? yield* pending.split(sent) : { held: [], ready: sent }
        yield* pending.hold(held)
        const claimed = yield* reads.claim(ready)
        const fresh = new Set(claimed.logIds)
        const entered = ready.filter(({ logId }) => fresh.has(logId))
        const escalating = claimed.hashes.filter(
          ({ root }) => root?.state.status === "muted" && root.state.mute.escalating
        )
        const hours = yield* reads.hoursOf(escalating, entered)
        const candidates = yield* Identifier.nextMany(entered.length)
        const batch = Grouped.group(entered, claimed.hashes, claimed.releases, hours, candidates)
        yield* statements.write({
          batch,
          counts: Grouped.countsOf(open, entered, held),
          submissions: open,
          itemIds: yield* Identifier.nextMany(open.reduce((sum, { items }) => sum + items.length, 0)),
          now: yield* Now.now
        })
        yield* pending.noteMissing(batch.placed)
        const hasCheckIns = open.some(({ checkIns = [] }) => checkIns.length > 0)
        if (isJoined || hasCheckIns || batch.changes.length > 0) yield* reads.endSettings
        for (const { checkIns = [], projectId, tenantId } of open) {
          for (const checkIn of checkIns) yield* monitors.record({ tenantId, projectId }, checkIn)
        }
        yield* publish(batch.changes)
        return entered.length
      })
    )
  })
}
