/** One step of a request: one call of one domain and the progress, in one transaction. */
import * as Audit from "@hypermarket/core/Audit"
import * as Now from "@hypermarket/core/Now"
import * as SubjectData from "@hypermarket/core/SubjectData"
import { type AllTenants, Tenant } from "@hypermarket/core/Tenant"
import { transactionOf } from "@hypermarket/core/Transaction"
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import * as Stream from "effect/Stream"
import type { Statements, Work } from "./statements.ts"

/** A pass that still sees work in flight is repeated after this time. */
const waitingMillis = 60_000
/** An hour of passes: then the receipt names what a paused queue still holds. */
const passesMax = 60
/** Rows of one part of an export. */
const partRowsMax = 500

type Kept = Work["kept"]

const addKept = (kept: Kept, added: Kept): Kept => {
  const sums = new Map(kept.map((item) => [`${item.table} ${item.reason}`, item]))
  for (const item of added) {
    const key = `${item.table} ${item.reason}`
    sums.set(key, { ...item, rows: item.rows + (sums.get(key)?.rows ?? 0) })
  }
  return Array.from(sums.values())
}

const addRows = (domains: Work["domains"], domain: string, rows: number): Work["domains"] =>
  rows === 0 ? domains : { ...domains, [domain]: (domains[domain] ?? 0) + rows }

/** `more` continues at once, `waiting` when work in flight has ended, `done` not at all. */
export interface Step {
  readonly state: "more" | "waiting" | "done"
  readonly count: number
}

const merge = (
  subject: SubjectData.Subject,
  found: ReadonlyArray<SubjectData.Identifier>
): SubjectData.Subject => {
  const identifiers = new Map(
    [...subject.identifiers, ...found].map((identifier) => [JSON.stringify(identifier), identifier])
  )
  return {
    ...subject,
    identifiers: Array.from(identifiers.values()).slice(0, SubjectData.identifiersMax)
  }
}

const first = { passRows: 0, waiting: [], passes: 1 }

export const make = (sql: SqlClient.SqlClient, statements: Statements) => {
  const next = Effect.fnUntraced(function* (requestId: string) {
    const owner = yield* Tenant
    const sources = yield* SubjectData.Sources
    const now = yield* Now.now

    const finished = Effect.fnUntraced(function* (work: Work) {
      const isErased = work.kind !== "export"
      yield* statements.save(
        owner.id,
        { ...work, state: "done", subject: isErased ? null : work.subject, progress: null },
        now,
        now
      )
      yield* Audit.record({
        action:
          work.kind === "export"
            ? "subject.exported"
            : work.kind === "erasure"
              ? "subject.erased"
              : "tenant.erased",
        target: { type: "subject-request", id: requestId },
        after: { rows: Number(work.rows), domains: work.domains }
      })
      return { state: "done", count: 1 } as const
    })

    const exported = Effect.fnUntraced(function* (
      work: Work,
      subject: SubjectData.Subject,
      source: SubjectData.Source
    ) {
      let parts = work.parts
      let rows = 0
      yield* source.data.export(subject).pipe(
        Stream.grouped(partRowsMax),
        Stream.runForEach((group) => {
          parts++
          rows += group.length
          const lines = group.map(({ row, table }) => JSON.stringify({ domain: source.domain, table, row }))
          return statements.insertPart(owner.id, requestId, parts, lines.join("\n"))
        })
      )
      return {
        ...work,
        parts,
        rows: work.rows + BigInt(rows),
        domains: addRows(work.domains, source.domain, rows)
      }
    })

    const step = Effect.gen(function* () {
      const work = yield* statements.lock(owner.id, requestId)
      // Another process runs it.
      if (work === undefined) return { state: "waiting", count: 0 } as const
      if (work.state === "done") return { state: "done", count: 0 } as const
      // The person of an export was erased meanwhile.
      if (work.subject === null) return yield* finished(work)
      const { progress } = work
      if (progress === null) {
        const { subject } = work
        const found = yield* work.kind === "tenant-erasure"
          ? Effect.succeed([])
          : Effect.forEach(sources, ({ data }) => data.discover(subject))
        const [source] = sources
        const started = {
          ...work,
          subject: merge(subject, found.flat()),
          progress: source === undefined ? first : { ...first, domain: source.domain }
        }
        if (source === undefined) return yield* finished(started)
        yield* statements.save(owner.id, started, now, now)
        return { state: "more", count: 1 } as const
      }
      // A domain that this process does not have was removed: the next one follows.
      const place = Math.max(
        0,
        sources.findIndex(({ domain }) => domain === progress.domain)
      )
      const source = sources[place]
      if (source === undefined) return yield* finished(work)
      const following = sources[place + 1]
      if (work.kind === "export") {
        const done = yield* exported(work, work.subject, source)
        if (following === undefined) return yield* finished(done)
        yield* statements.save(
          owner.id,
          { ...done, progress: { ...first, domain: following.domain } },
          now,
          now
        )
        return { state: "more", count: 1 } as const
      }
      const erased = yield* work.kind === "erasure"
        ? source.data.erase(work.subject, progress.cursor)
        : source.data.eraseTenant(progress.cursor).pipe(Audit.inLogOf(work.subject.id))
      const changed = {
        ...work,
        rows: work.rows + BigInt(erased.rows),
        domains: addRows(work.domains, source.domain, erased.rows),
        kept: addKept(work.kept, erased.kept)
      }
      const passed = {
        passes: progress.passes,
        passRows: progress.passRows + erased.rows,
        waiting: addKept(progress.waiting, erased.waiting ?? [])
      }
      if (erased.cursor !== undefined || following !== undefined) {
        yield* statements.save(
          owner.id,
          {
            ...changed,
            progress:
              erased.cursor === undefined
                ? { ...passed, domain: following?.domain ?? source.domain }
                : { ...passed, domain: source.domain, cursor: erased.cursor }
          },
          now,
          now
        )
        return { state: "more", count: 1 } as const
      }
      const isSettled = passed.passRows === 0 && passed.waiting.length === 0
      if (isSettled || passed.passes >= passesMax) {
        return yield* finished({ ...changed, kept: addKept(changed.kept, passed.waiting) })
      }
      const isHeld = passed.waiting.length > 0
      const [again] = sources
      yield* statements.save(
        owner.id,
        {
          ...changed,
          progress: { ...first, domain: again?.domain ?? source.domain, passes: passed.passes + 1 }
        },
        now,
        isHeld ? new Date(now.getTime() + waitingMillis) : now
      )
      return { state: isHeld ? "waiting" : "more", count: 1 } as const
    })
    return yield* transactionOf(sql)(step).pipe(Effect.provideService(SqlClient.SqlClient, sql))
  })
  return { next } satisfies {
    readonly next: (requestId: string) => Effect.Effect<Step, SqlError, Tenant | AllTenants>
  }
}
