/**
 * The service of a tenant's region policies, and the decisions by them. Core's `Policy` decides through it.
 *
 * The installation's policies bind every tenant; a tenant's own can only narrow them.
 *
 * @since 0.1.0
 */
import * as Now from "@hypermarket/core/Now"
import * as Page from "@hypermarket/core/Page"
import * as Policy from "@hypermarket/core/Policy"
import * as Cursor from "@hypermarket/core/Cursor"
import type { VersionStale } from "@hypermarket/core/Precondition"
import { Tenant } from "@hypermarket/core/Tenant"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { PolicyDecision, PolicyDecisionId, type PolicyDecisionRequest } from "./PolicyDecision.ts"
import { DecisionLog } from "./policy/decisionLog.ts"
import type * as DecisionStatements from "./policy/decisionStatements.ts"
import * as Engine from "./policy/engine.ts"
import { type Pair, PolicySets } from "./policy/policySets.ts"
import * as Rows from "./policy/rows.ts"
import * as Store from "./policy/store.ts"
import {
  type NewRegionPolicy,
  type PolicyDryRun,
  PolicyDryRunReport,
  type PolicyExists,
  type PolicyInvalid,
  type PolicyLimitReached,
  type PolicyNotFound,
  type PolicyQuestion,
  PolicyTie,
  type RegionDecision,
  type RegionPolicy,
  type RegionPolicyChange
} from "./RegionPolicy.ts"

const cursors = Cursor.make({
  list: "platform.policyDecisions",
  key: Schema.Tuple([Schema.DateTimeUtcFromString, PolicyDecisionId])
})

const toDecision = (row: DecisionStatements.Stored): PolicyDecision => {
  const [value] = row.value
  return new PolicyDecision({
    decisionId: PolicyDecisionId.make(row.decisionId),
    decidedAt: row.decidedAt,
    lastDecidedAt: row.lastDecidedAt,
    decisions: row.decisions,
    action: row.action,
    ...(row.region === null ? {} : { region: row.region }),
    ...(row.channel === null ? {} : { channel: row.channel }),
    ...(row.category === null ? {} : { category: row.category }),
    ...(row.reference === null ? {} : { reference: row.reference }),
    ...(row.inForceAt === null ? {} : { at: row.inForceAt }),
    ...(row.knownAt === null ? {} : { knownAt: row.knownAt }),
    effect: row.effect,
    ...(value === undefined ? {} : { value }),
    requires: row.requires,
    because: row.because,
    undetermined: row.undetermined,
    installationRevision: row.installationRevision,
    tenantRevision: row.tenantRevision
  })
}

/** Decisions that a dry run shows: more would hide the first. */
const changedMax = 100

const engineQuestion = (question: PolicyQuestion, nowMillis: number): Engine.Question => ({
  action: question.action,
  region: question.region,
  channel: question.channel,
  category: question.category,
  attributes: question.attributes ?? {},
  atMillis: question.at === undefined ? nowMillis : DateTime.toEpochMillis(question.at),
  knownAtMillis: question.knownAt === undefined ? undefined : DateTime.toEpochMillis(question.knownAt),
  reference: question.reference,
  isDated: question.at !== undefined
})

const revisionOf = (pair: Pair): bigint => pair.installation.revision + pair.tenant.revision

/** Decides by the compiled policies. Pure. The lists of the decision are frozen: later ones share them. */
const decideBy = (
  pair: Pair,
  tenantId: string,
  question: PolicyQuestion,
  nowMillis: number
): RegionDecision => ({
  ...Engine.decide(pair.installation, pair.tenant, engineQuestion(question, nowMillis), tenantId),
  revision: String(revisionOf(pair))
})

/**
 * @category services
 * @since 0.1.0
 */
export class RegionPolicies extends Context.Service<
  RegionPolicies,
  {
    readonly create: (
      policy: NewRegionPolicy
    ) => Effect.Effect<
      RegionPolicy,
      PolicyExists | PolicyTie | PolicyInvalid | PolicyLimitReached | SqlError,
      Tenant
    >
    readonly get: (policyKey: string) => Effect.Effect<RegionPolicy, PolicyNotFound | SqlError, Tenant>
    /** Lists the tenant's policies that are recorded now, in the order of their keys. */
    readonly list: (
      request: Page.Request
    ) => Effect.Effect<Page.Page<RegionPolicy>, Page.CursorInvalid | SqlError, Tenant>
    /** Replaces the policy. The version before it is kept. */
    readonly change: (
      policyKey: string,
      version: number,
      policy: RegionPolicyChange
    ) => Effect.Effect<
      RegionPolicy,
      PolicyNotFound | PolicyTie | PolicyInvalid | VersionStale | SqlError,
      Tenant
    >
    /** Ends the policy now. Decisions as of an earlier time still know it. */
    readonly remove: (
      policyKey: string,
      version: number
    ) => Effect.Effect<void, PolicyNotFound | VersionStale | SqlError, Tenant>
    /** Lists the versions of a policy, the newest first. */
    readonly listVersions: (
      policyKey: string,
      request: Page.Request
    ) => Effect.Effect<Page.Page<RegionPolicy>, PolicyNotFound | Page.CursorInvalid | SqlError, Tenant>
    /** Decides from the process's copy, at most 500 ms old. */
    readonly decide: (question: PolicyQuestion) => Effect.Effect<RegionDecision, SqlError, Tenant>
    /**
     * Decides in the caller's transaction, with what is published in it. A decision with a `reference` is written to the log of
     * decisions in that transaction.
     */
    readonly decideNow: (question: PolicyQuestion) => Effect.Effect<RegionDecision, SqlError, Tenant>
    /**
     * Keeps the policies in memory until the scope ends, and returns a function that decides by their newest copy at a time in
     * milliseconds.
     */
    readonly follow: Effect.Effect<
      (question: PolicyQuestion, nowMillis: number) => RegionDecision,
      SqlError,
      Tenant | Scope.Scope
    >
    /**
     * Lists what was decided, the newest first. A page with a filter other than `reference` examines 10,000 rows: it may have fewer
     * items than asked for, or none, and go on with `nextCursor`.
     */
    readonly decisions: (
      request: PolicyDecisionRequest
    ) => Effect.Effect<Page.Page<PolicyDecision>, Page.CursorInvalid | SqlError, Tenant>
    /** Decides each question without and with a policy that is not stored. A policy of the same key is replaced. */
    readonly dryRun: (
      request: PolicyDryRun
    ) => Effect.Effect<PolicyDryRunReport, PolicyTie | PolicyInvalid | SqlError, Tenant>
  }
>()("@hypermarket/platform/RegionPolicies") {
  static readonly layer: Layer.Layer<RegionPolicies, never, SqlClient.SqlClient> = Layer.effect(
    RegionPolicies,
    Effect.gen(function* () {
      const sets = yield* PolicySets
      const { store } = sets

      const log = yield* DecisionLog

      /** Decides by a copy, and adds the decision to the log. */
      const decideLogged = (
        pair: Pair,
        tenantId: string,
        question: PolicyQuestion,
        nowMillis: number
      ): RegionDecision => {
        const asked = engineQuestion(question, nowMillis)
        const decision = Engine.decide(pair.installation, pair.tenant, asked, tenantId)
        log.add(tenantId, asked, decision, pair, nowMillis)
        return { ...decision, revision: String(revisionOf(pair)) }
      }

      const decide = Effect.fn("RegionPolicies.decide")(function* (question: PolicyQuestion) {
        const { id } = yield* Tenant
        const now = yield* Now.now
        return decideLogged(yield* sets.ready, id, question, now.getTime())
      })

      const decideNow = Effect.fn("RegionPolicies.decideNow")(function* (question: PolicyQuestion) {
        const { id } = yield* Tenant
        const nowMillis = (yield* Now.now).getTime()
        const pair = yield* sets.now
        if (question.reference === undefined) return decideLogged(pair, id, question, nowMillis)
        const asked = engineQuestion(question, nowMillis)
        const decision = Engine.decide(pair.installation, pair.tenant, asked, id)
        yield* log.write(id, asked, decision, pair, nowMillis)
        return { ...decision, revision: String(revisionOf(pair)) }
      })

      const decisions = Effect.fn("RegionPolicies.decisions")(function* (request: PolicyDecisionRequest) {
        const { id } = yield* Tenant
        const [decidedAt, decisionId] =
          request.cursor === undefined ? [undefined, undefined] : yield* cursors.decode(request.cursor)
        const limit = Page.limitOf(request)
        const examined = yield* log.list(
          id,
          decidedAt === undefined ? undefined : { decidedAt: DateTime.toDateUtc(decidedAt), decisionId },
          {
            action: request.action ?? null,
            effect: request.effect ?? null,
            policyKey: request.policyKey ?? null,
            reference: request.reference ?? null
          },
          limit + 1
        )
        const matches = examined.filter(({ isMatch }) => isMatch)
        const last = matches.length > limit ? matches[limit - 1] : examined.find(({ isLast }) => isLast)
        return {
          items: matches.slice(0, limit).map(toDecision),
          nextCursor:
            last === undefined
              ? null
              : yield* cursors.encode([last.decidedAt, PolicyDecisionId.make(last.decisionId)])
        }
      })

      const dryRun = Effect.fn("RegionPolicies.dryRun")(function* ({ policy, questions }: PolicyDryRun) {
        const { id } = yield* Tenant
        const now = yield* Now.now
        yield* Store.check(policy, false)
        const before = yield* sets.now
        const others = before.tenant.policies.filter(
          ({ policyKey, supersededAtMillis }) =>
            policyKey !== policy.policyKey || supersededAtMillis !== Infinity
        )
        const replaced = before.tenant.policies.find(
          ({ policyKey, supersededAtMillis }) =>
            policyKey === policy.policyKey && supersededAtMillis === Infinity
        )
        const draft = Rows.draftOf(policy, {
          policyId: replaced?.policyId ?? draftId,
          policyKey: policy.policyKey,
          version: (replaced?.version ?? 0) + 1,
          now
        })
        const ties = Engine.tiesOf(draft, others)
        if (ties.length > 0) return yield* new PolicyTie({ policyKeys: ties.toSorted() })
        const after: Pair = {
          installation: before.installation,
          tenant: Engine.compile([...others, draft], before.tenant.revision)
        }
        const decisions = questions.map((question, index) => ({
          question: index,
          before: decideBy(before, id, question, now.getTime()),
          after: decideBy(after, id, question, now.getTime())
        }))
        const changed = decisions.filter((pair) => JSON.stringify(pair.before) !== JSON.stringify(pair.after))
        return new PolicyDryRunReport({
          questions: questions.length,
          deniedBefore: decisions.filter((pair) => pair.before.effect === "deny").length,
          deniedAfter: decisions.filter((pair) => pair.after.effect === "deny").length,
          changed: changed.slice(0, changedMax),
          changedCount: changed.length
        })
      })

      const follow = Effect.gen(function* () {
        const { id } = yield* Tenant
        yield* sets.keep
        let last = yield* sets.ready
        return (question: PolicyQuestion, nowMillis: number) => {
          last = sets.current(id) ?? last
          return decideLogged(last, id, question, nowMillis)
        }
      })

      return RegionPolicies.of({
        create: Effect.fn("RegionPolicies.create")(function* (policy) {
          return yield* store.create((yield* Tenant).id, policy, false)
        }),
        get: Effect.fn("RegionPolicies.get")(function* (policyKey) {
          return yield* store.get((yield* Tenant).id, policyKey)
        }),
        list: Effect.fn("RegionPolicies.list")(function* (request) {
          return yield* store.list((yield* Tenant).id, request)
        }),
        change: Effect.fn("RegionPolicies.change")(function* (policyKey, version, policy) {
          return yield* store.change((yield* Tenant).id, policyKey, version, policy, false)
        }),
        remove: Effect.fn("RegionPolicies.remove")(function* (policyKey, version) {
          return yield* store.remove((yield* Tenant).id, policyKey, version)
        }),
        listVersions: Effect.fn("RegionPolicies.listVersions")(function* (policyKey, request) {
          return yield* store.listVersions((yield* Tenant).id, policyKey, request)
        }),
        decide,
        decideNow,
        follow,
        decisions,
        dryRun
      })
    })
  ).pipe(Layer.provide([PolicySets.layer, DecisionLog.layer]))

  /** Fills core's `Policy`. Until the process has read the policies of a tenant, `decide` denies and says `undetermined`. */
  static readonly layerPolicy: Layer.Layer<never, never, SqlClient.SqlClient> = Layer.effect(
    Policy.Policy,
    Effect.gen(function* () {
      const sets = yield* PolicySets
      const clock = yield* Clock.Clock
      const log = yield* DecisionLog
      const ofCore = ({ because, ...decision }: Engine.Decision, pair: Pair): Policy.Decision => ({
        ...decision,
        because: because.map(({ policyId }) => policyId),
        revision: revisionOf(pair)
      })
      return {
        decide: (question) => {
          const nowMillis = clock.currentTimeMillisUnsafe()
          const asked = coreQuestion(question, nowMillis)
          const pair = sets.current(question.tenantId)
          const decision =
            pair === undefined
              ? unread
              : Engine.decide(pair.installation, pair.tenant, asked, question.tenantId)
          log.add(question.tenantId, asked, decision, pair, nowMillis)
          return pair === undefined ? { ...unread, because: [], revision: 0n } : ofCore(decision, pair)
        },
        decideNow: Effect.fnUntraced(function* (question) {
          const { id } = yield* Tenant
          const nowMillis = (yield* Now.now).getTime()
          const asked = coreQuestion(question, nowMillis)
          const pair = yield* sets.now
          const decision = Engine.decide(pair.installation, pair.tenant, asked, id)
          if (question.reference === undefined) log.add(id, asked, decision, pair, nowMillis)
          else yield* log.write(id, asked, decision, pair, nowMillis)
          return ofCore(decision, pair)
        })
      } satisfies Policy.Policy
    })
  ).pipe(Layer.provide([PolicySets.layer, DecisionLog.layer]))
}

/** Sorts after every id: a draft has none yet. */
const draftId = "ffffffff-ffff-ffff-ffff-ffffffffffff"

/** Before the first read. */
const unread: Engine.Decision = { effect: "deny", requires: [], because: [], undetermined: true }

const textOf = (value: unknown): string | undefined => (typeof value === "string" ? value : undefined)

/** The channel and category of a question of core are attributes. */
const coreQuestion = (question: Policy.Question, nowMillis: number): Engine.Question => ({
  action: question.action,
  region: question.region,
  channel: textOf(question.attributes["channel"]),
  category: textOf(question.attributes["category"]),
  attributes: question.attributes,
  atMillis: question.at?.getTime() ?? nowMillis,
  knownAtMillis: question.knownAt?.getTime(),
  reference: question.reference,
  isDated: question.at !== undefined
})
