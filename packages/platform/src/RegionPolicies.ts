/**
 * The service of a tenant's region policies, and the decisions by them. Core's `Policy` decides through it.
 *
 * The installation's policies bind every tenant; a tenant's own can only narrow them.
 *
 * @since 0.1.0
 */
import * as Now from "@hypermarket/core/Now"
import type * as Page from "@hypermarket/core/Page"
import * as Policy from "@hypermarket/core/Policy"
import type { VersionStale } from "@hypermarket/core/Precondition"
import { Tenant } from "@hypermarket/core/Tenant"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
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

/**
 * The compiled policies of the installation and of a tenant.
 *
 * @category models
 * @since 0.1.0
 */
export type PolicyPair = Pair

/** Decisions that a dry run shows: more would hide the first. */
const changedMax = 100

const engineQuestion = (question: PolicyQuestion, nowMillis: number): Engine.Question => ({
  action: question.action,
  region: question.region,
  channel: question.channel,
  category: question.category,
  attributes: question.attributes ?? {},
  atMillis: question.at === undefined ? nowMillis : DateTime.toEpochMillis(question.at),
  knownAtMillis: question.knownAt === undefined ? undefined : DateTime.toEpochMillis(question.knownAt)
})

const revisionOf = (pair: Pair): bigint => pair.installation.revision + pair.tenant.revision

/**
 * Decides by the compiled policies. Pure. The lists of the decision are frozen: later ones share them.
 *
 * @category accessors
 * @since 0.1.0
 */
export const decideBy = (
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
    /** Decides in the caller's transaction, with what is published in it. */
    readonly decideNow: (question: PolicyQuestion) => Effect.Effect<RegionDecision, SqlError, Tenant>
    /** Keeps the policies in memory until the scope ends, and returns a function that reads their newest copy. */
    readonly follow: Effect.Effect<() => PolicyPair, SqlError, Tenant | Scope.Scope>
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

      const decideIn = (read: Effect.Effect<Pair, SqlError, Tenant>) =>
        Effect.fnUntraced(function* (question: PolicyQuestion) {
          const { id } = yield* Tenant
          const now = yield* Now.now
          return decideBy(yield* read, id, question, now.getTime())
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
        return () => {
          last = sets.current(id) ?? last
          return last
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
        decide: Effect.fn("RegionPolicies.decide")(decideIn(sets.ready)),
        decideNow: Effect.fn("RegionPolicies.decideNow")(decideIn(sets.now)),
        follow,
        dryRun
      })
    })
  ).pipe(Layer.provide(PolicySets.layer))

  /** Fills core's `Policy`. Until the process has read the policies of a tenant, `decide` denies and says `undetermined`. */
  static readonly layerPolicy: Layer.Layer<never, never, SqlClient.SqlClient> = Layer.effect(
    Policy.Policy,
    Effect.gen(function* () {
      const sets = yield* PolicySets
      const clock = yield* Clock.Clock
      const decision = (pair: Pair, tenantId: string, question: Policy.Question, nowMillis: number) => {
        const { because, ...rest } = Engine.decide(
          pair.installation,
          pair.tenant,
          coreQuestion(question, nowMillis),
          tenantId
        )
        return { ...rest, because: because.map(({ policyId }) => policyId), revision: revisionOf(pair) }
      }
      return {
        decide: (question) => {
          const pair = sets.current(question.tenantId)
          return pair === undefined
            ? unread
            : decision(pair, question.tenantId, question, clock.currentTimeMillisUnsafe())
        },
        decideNow: Effect.fnUntraced(function* (question) {
          const { id } = yield* Tenant
          const now = yield* Now.now
          return decision(yield* sets.now, id, question, now.getTime())
        })
      } satisfies Policy.Policy
    })
  ).pipe(Layer.provide(PolicySets.layer))
}

/** Sorts after every id: a draft has none yet. */
const draftId = "ffffffff-ffff-ffff-ffff-ffffffffffff"

const unread: Policy.Decision = {
  effect: "deny",
  requires: [],
  because: [],
  undetermined: true,
  revision: 0n
}

const textOf = (value: unknown): string | undefined => (typeof value === "string" ? value : undefined)

/** The channel and category of a question of core are attributes. */
const coreQuestion = (question: Policy.Question, nowMillis: number): Engine.Question => ({
  action: question.action,
  region: question.region,
  channel: textOf(question.attributes["channel"]),
  category: textOf(question.attributes["category"]),
  attributes: question.attributes,
  atMillis: question.at?.getTime() ?? nowMillis,
  knownAtMillis: question.knownAt?.getTime()
})
