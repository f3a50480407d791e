/**
 * Keeps the log of decisions. Decisions by the process's copy are added up in memory and written every few seconds, so that a decision
 * writes nothing; one in a caller's transaction is a row of that transaction.
 */
import * as Identifier from "@hypermarket/core/Identifier"
import { isStorable } from "@hypermarket/core/Text"
import * as Storage from "@hypermarket/core/Storage"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as Schedule from "effect/Schedule"
import * as SqlClient from "effect/sql/SqlClient"
import { isSqlError, type SqlError } from "effect/sql/SqlError"
import type { Decision, Question } from "./engine.ts"
import * as Statements from "./decisionStatements.ts"

/** A process that is killed loses the decisions of this time. */
const interval = "5 seconds"

/** A write that takes longer is tried again: the database hangs. */
const writePatience = "5 seconds"

/** The last write, when the process stops. */
const lastPatience = "2 seconds"

/** Entries of all tenants in memory, some megabytes. Decisions beyond it are counted as missed. */
const entriesMax = 10_000

/** Entries of one tenant, so that one with a reference for each of its decisions leaves room to the others. */
const tenantEntriesMax = 1_000

/** Equal questions have few decisions. Beyond it an equal decision becomes another entry. */
const comparedMax = 16

/** Rows of one statement. */
const rowsMax = 500

/** As long as the columns. */
const charactersMax = 200

const missedTotal = Metric.counter("hm_platform_policy_decisions_missed_total", {
  description:
    "Decisions that are not in the log of decisions, because too many were waiting or could not be stored",
  incremental: true
})

/** The revisions that a decision was made with. */
export interface Revisions {
  readonly installation: { readonly revision: bigint }
  readonly tenant: { readonly revision: bigint }
}

interface Entry {
  readonly tenantId: string
  readonly question: Question
  readonly decision: Decision
  readonly installationRevision: bigint
  readonly tenantRevision: bigint
  readonly firstMillis: number
  lastMillis: number
  decisions: number
}

const noRevisions: Revisions = { installation: { revision: 0n }, tenant: { revision: 0n } }

const sameItems = <A>(left: ReadonlyArray<A>, right: ReadonlyArray<A>): boolean =>
  left === right || (left.length === right.length && left.every((item, index) => item === right[index]))

/** Policies, requirements and values are compared by identity: at one revision they are the same objects. */
const sameDecision = (entry: Entry, decision: Decision, revisions: Revisions): boolean =>
  entry.decision.effect === decision.effect &&
  entry.decision.undetermined === decision.undetermined &&
  entry.decision.value === decision.value &&
  entry.installationRevision === revisions.installation.revision &&
  entry.tenantRevision === revisions.tenant.revision &&
  sameItems(entry.decision.because, decision.because) &&
  sameItems(entry.decision.requires, decision.requires)

const sameQuestion = (left: Question, right: Question): boolean =>
  left.action === right.action &&
  left.region === right.region &&
  left.channel === right.channel &&
  left.category === right.category &&
  left.reference === right.reference &&
  left.knownAtMillis === right.knownAtMillis &&
  left.isDated === right.isDated &&
  (!left.isDated || left.atMillis === right.atMillis)

/** A question of core is not checked: its texts are cut to what the columns take. */
const storable = (text: string | undefined): string | null => {
  if (text === undefined) return null
  const cut = text.length > charactersMax ? text.slice(0, charactersMax) : text
  return isStorable(cut) ? cut : cut.replaceAll("\u0000", "").toWellFormed()
}

const iso = (millis: number | undefined): string | null =>
  millis === undefined || Number.isNaN(new Date(millis).getTime()) ? null : new Date(millis).toISOString()

const toRow = (
  {
    decision,
    decisions,
    firstMillis,
    installationRevision,
    lastMillis,
    question,
    tenantId,
    tenantRevision
  }: Entry,
  decisionId: string
): Statements.Row => ({
  tenantId,
  decidedAt: new Date(Math.min(firstMillis, lastMillis)).toISOString(),
  decisionId,
  lastDecidedAt: new Date(Math.max(firstMillis, lastMillis)).toISOString(),
  decisions,
  action: storable(question.action) ?? "",
  region: storable(question.region),
  channel: storable(question.channel),
  category: storable(question.category),
  reference: storable(question.reference),
  inForceAt: question.isDated ? iso(question.atMillis) : null,
  knownAt: iso(question.knownAtMillis),
  effect: decision.effect,
  undetermined: decision.undetermined,
  requires: decision.requires,
  value: decision.value === undefined ? null : JSON.stringify(decision.value),
  because: decision.because.map(({ policyId, policyKey, version }) => ({ policyId, policyKey, version })),
  installationRevision: String(installationRevision),
  tenantRevision: String(tenantRevision)
})

export class DecisionLog extends Context.Service<
  DecisionLog,
  {
    /** Adds a decision up, unless no policy led to it and it has no reference. Undefined revisions: nothing was read yet. */
    readonly add: (
      tenantId: string,
      question: Question,
      decision: Decision,
      revisions: Revisions | undefined,
      nowMillis: number
    ) => void
    /** Writes a decision in the caller's transaction. */
    readonly write: (
      tenantId: string,
      question: Question,
      decision: Decision,
      revisions: Revisions,
      nowMillis: number
    ) => Effect.Effect<void, SqlError>
    readonly list: ReturnType<typeof Statements.make>["list"]
  }
>()("@hypermarket/platform/policy/DecisionLog") {
  static readonly layer: Layer.Layer<DecisionLog, never, SqlClient.SqlClient> = Layer.effect(
    DecisionLog,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const statements = Statements.make(sql)
      let entries = new Map<string, Array<Entry>>()
      let entryCount = 0
      let ofTenants = new Map<string, number>()
      /** Rows of a write that failed. They keep their ids: one that was committed all the same is not written twice. */
      let waiting: ReadonlyArray<Statements.Row> = []
      let missed = 0

      const add: DecisionLog["Service"]["add"] = (
        tenantId,
        question,
        decision,
        revisions = noRevisions,
        nowMillis
      ) => {
        if (decision.because.length === 0 && !decision.undetermined && question.reference === undefined)
          return
        const { action, category, channel, reference, region } = question
        const key = `${tenantId} ${action} ${region} ${channel} ${category} ${reference}`
        const alike = entries.get(key)
        if (alike !== undefined) {
          for (let at = alike.length - 1; at >= 0 && at >= alike.length - comparedMax; at--) {
            const entry = alike[at]
            if (
              entry !== undefined &&
              entry.tenantId === tenantId &&
              sameQuestion(entry.question, question) &&
              sameDecision(entry, decision, revisions)
            ) {
              entry.decisions++
              entry.lastMillis = nowMillis
              return
            }
          }
        }
        const ofTenant = ofTenants.get(tenantId) ?? 0
        if (entryCount + waiting.length >= entriesMax || ofTenant >= tenantEntriesMax) {
          missed++
          return
        }
        const entry: Entry = {
          tenantId,
          // Its attributes may be large, and of persons: they are not held.
          question: { ...question, attributes: {} },
          decision,
          installationRevision: revisions.installation.revision,
          tenantRevision: revisions.tenant.revision,
          firstMillis: nowMillis,
          lastMillis: nowMillis,
          decisions: 1
        }
        if (alike === undefined) entries.set(key, [entry])
        else alike.push(entry)
        ofTenants.set(tenantId, ofTenant + 1)
        entryCount++
      }

      /** Removes the entries from memory and returns them as rows. */
      const take = (ids: ReadonlyArray<string>): ReadonlyArray<Statements.Row> => {
        const rows = Array.from(entries.values())
          .flat()
          .map((entry, index) => toRow(entry, ids[index] ?? ""))
        entries = new Map()
        ofTenants = new Map()
        entryCount = 0
        return rows
      }

      /** Returns the rows to write again. One that the table refuses is given up, and no other with it. */
      const store = (rows: ReadonlyArray<Statements.Row>): Effect.Effect<ReadonlyArray<Statements.Row>> =>
        statements.insert(rows).pipe(
          Storage.within(writePatience),
          Effect.as(Array.of<Statements.Row>()),
          Effect.catch((error) => {
            if (!isSqlError(error) || Storage.isRetryable(error)) return Effect.succeed(rows)
            if (rows.length === 1) {
              missed += rows[0]?.decisions ?? 0
              return Effect.as(Effect.logWarning("A decision is not in the log of decisions", error), [])
            }
            const middle = Math.ceil(rows.length / 2)
            return Effect.map(Effect.forEach([rows.slice(0, middle), rows.slice(middle)], store), (kept) =>
              kept.flat()
            )
          })
        )

      const flush = Effect.gen(function* () {
        // No interruption comes between taking them and noting that they wait.
        const ids = yield* Identifier.nextMany(entryCount)
        waiting = [...waiting, ...take(ids)]
        let isAvailable = true
        while (waiting.length > 0 && isAvailable) {
          const kept = yield* store(waiting.slice(0, rowsMax))
          waiting = [...kept, ...waiting.slice(rowsMax)]
          isAvailable = kept.length === 0
        }
        if (missed === 0) return
        const count = missed
        missed = 0
        yield* Metric.update(missedTotal, count)
        yield* Effect.logWarning("Decisions are not in the log of decisions: too many were waiting", {
          count
        })
      }).pipe(
        Effect.catchDefect((defect) => Effect.logError("The log of decisions was not written", defect)),
        Effect.withSpan("DecisionLog.flush")
      )

      yield* Effect.addFinalizer(() => Effect.ignore(Storage.within(lastPatience)(flush)))
      yield* flush.pipe(Effect.repeat(Schedule.spaced(interval)), Effect.forkScoped)

      return DecisionLog.of({
        add,
        write: Effect.fnUntraced(function* (tenantId, question, decision, revisions, nowMillis) {
          const entry: Entry = {
            tenantId,
            question,
            decision,
            installationRevision: revisions.installation.revision,
            tenantRevision: revisions.tenant.revision,
            firstMillis: nowMillis,
            lastMillis: nowMillis,
            decisions: 1
          }
          yield* statements.insert([toRow(entry, yield* Identifier.next)])
        }),
        list: statements.list
      })
    })
  )
}
