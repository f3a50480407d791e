/**
 * The rules of a tenant: attributes, versions of rule sets, and which version is live.
 *
 * @since 0.1.0
 */
import * as AuditedChange from "@hypermarket/core/AuditedChange"
import * as LiveConfig from "@hypermarket/core/LiveConfig"
import * as Now from "@hypermarket/core/Now"
import * as Page from "@hypermarket/core/Page"
import { VersionStale } from "@hypermarket/core/Precondition"
import { Tenant, type TenantId } from "@hypermarket/core/Tenant"
import { isOpen, transactionOf } from "@hypermarket/core/Transaction"
import { Wakeup } from "@hypermarket/core/Wakeup"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import { ConnectionError, SqlError } from "effect/sql/SqlError"
import * as Ast from "./cel/Ast.ts"
import * as Backtesting from "./internal/backtesting.ts"
import * as Parsing from "./internal/parsing.ts"
import * as Engine from "./internal/ruleEngine.ts"
import * as Attribute from "./internal/attribute.ts"
import * as Reports from "./internal/reportStatements.ts"
import * as Rows from "./internal/ruleSetRow.ts"
import type { RuleHealth } from "./RiskDecision.ts"
import {
  AttributeConflict,
  AttributeLimit,
  attributesMax,
  RiskAttribute,
  RiskRuleSet,
  RiskRuleState,
  RuleSetInvalid,
  RuleSetLimit,
  RuleSetNotFound,
  type NewRuleSet,
  type RuleSetChoice
} from "./RiskRuleSet.ts"
import type { BacktestReport, BacktestRequest, ShadowReport } from "./RiskReport.ts"

/** The channel of wake-ups; the payload is the tenant. */
const channel = "risk.rules"

/** A version takes effect everywhere within two seconds, also where no wake-up arrives. */
const poll = "1 second"

/** Tenants in memory. Past it the least recently used is dropped, and read again when it is asked for. */
const tenantsMax = 1_000

/** Mistakes that one answer lists. */
const errorsMax = 100

/** Versions are kept for decisions that name them; more than a change per hour for a year is a loop. */
const versionsMax = 10_000

/**
 * The versions that decide, compiled.
 *
 * @category models
 * @since 0.1.0
 */
export interface LiveRules {
  readonly live: Engine.CompiledSet | undefined
  readonly shadow: ReadonlyArray<Engine.CompiledSet>
}

const readTimedOut = new SqlError({
  reason: new ConnectionError({
    cause: undefined,
    message: "Reading the rules took too long",
    operation: "query"
  })
})

const pages = Page.make({
  list: "risk.ruleSets",
  key: Schema.Tuple([Schema.Int]),
  keyOf: (set: RiskRuleSet) => [set.version] as const
})

const toRuleSet = (row: Rows.SetRow): RiskRuleSet => {
  const body = Rows.bodyOf(row)
  return new RiskRuleSet({
    version: row.version,
    note: row.note,
    rules: body.rules.map(({ rule }) => rule),
    thresholds: body.thresholds,
    strict: Rows.strictOf(body),
    scorer: body.scorer ?? null,
    recordedAt: DateTime.fromDateUnsafe(row.recordedAt)
  })
}

const toState = (row: Rows.StateRow | undefined): RiskRuleState =>
  new RiskRuleState({
    version: Number(row?.revision ?? 0),
    newest: row?.newest ?? 0,
    live: row?.live ?? null,
    shadow: row?.shadow ?? []
  })

/**
 * @category services
 * @since 0.1.0
 */
export class RiskRules extends Context.Service<
  RiskRules,
  {
    /** Returns the attributes that rules may read, those of facts included. */
    readonly attributes: Effect.Effect<ReadonlyArray<RiskAttribute>, SqlError, Tenant>
    /** Declares attributes. One that exists keeps its type. */
    readonly declare: (
      attributes: ReadonlyArray<RiskAttribute>
    ) => Effect.Effect<ReadonlyArray<RiskAttribute>, AttributeConflict | AttributeLimit | SqlError, Tenant>
    /** Checks the rules and stores them as a version, which decides nothing until it is chosen. */
    readonly create: (
      ruleSet: NewRuleSet
    ) => Effect.Effect<RiskRuleSet, RuleSetInvalid | RuleSetLimit | SqlError, Tenant>
    readonly get: (version: number) => Effect.Effect<RiskRuleSet, RuleSetNotFound | SqlError, Tenant>
    /** Newest first. */
    readonly list: (
      request: Page.Request
    ) => Effect.Effect<Page.Page<RiskRuleSet>, Page.CursorInvalid | SqlError, Tenant>
    readonly state: Effect.Effect<RiskRuleState, SqlError, Tenant>
    /** Chooses the live version and those in shadow, at the revision that the caller has seen. Acts everywhere within 2 s. */
    readonly choose: (
      revision: number,
      choice: RuleSetChoice
    ) => Effect.Effect<RiskRuleState, RuleSetNotFound | VersionStale | SqlError, Tenant>
    /** Returns how often each rule of the live version fired and failed over the newest 10,000 decisions. */
    readonly health: Effect.Effect<ReadonlyArray<RuleHealth>, SqlError, Tenant>
    /** Compares a version in shadow with what was decided, over the newest 100,000 decisions. */
    readonly shadowReport: (
      version: number
    ) => Effect.Effect<ShadowReport, RuleSetNotFound | SqlError, Tenant>
    /**
     * Evaluates a version over the decisions of a time, with what rules could read then. A feature that a decision did not
     * freeze is recomputed from the signals that were recorded before it, and the report names it.
     */
    readonly backtest: (
      request: BacktestRequest
    ) => Effect.Effect<BacktestReport, RuleSetNotFound | SqlError, Tenant>
    /** Returns the versions that decide, compiled: from memory, at most two seconds old. */
    readonly current: Effect.Effect<LiveRules, SqlError, Tenant>
  }
>()("@hypermarket/risk/RiskRules") {
  static readonly layer: Layer.Layer<RiskRules, never, SqlClient.SqlClient | Wakeup> = Layer.effect(
    RiskRules,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const wakeup = yield* Wakeup
      const rows = Rows.make(sql)
      const reports = Reports.make(sql)
      const { backtest } = Backtesting.make(sql, rows)

      const { parse } = yield* Parsing.make

      const read = Effect.gen(function* () {
        const tenant = yield* Tenant
        const state = yield* rows.state(tenant.id)
        if (state === undefined) return { live: undefined, shadow: [] }
        const wanted = [...(state.live === null ? [] : [state.live]), ...state.shadow]
        const sets = yield* rows.sets(tenant.id, wanted)
        const compiled = new Map(sets.map((row) => [row.version, Rows.compiledOf(row)]))
        return {
          live: state.live === null ? undefined : compiled.get(state.live),
          shadow: state.shadow.flatMap((version) => {
            const set = compiled.get(version)
            return set === undefined ? [] : [set]
          })
        }
      })

      const revision = Effect.gen(function* () {
        const tenant = yield* Tenant
        const state = yield* rows.state(tenant.id)
        return BigInt(state?.revision ?? 0)
      })

      const config = yield* LiveConfig.make({
        channel,
        revision,
        read: (): Effect.Effect<LiveRules, SqlError, Tenant> => read,
        poll,
        tenantsMax
      })

      const currentOf = Effect.fnUntraced(function* (tenantId: TenantId) {
        const current = config.current(tenantId)
        if (current !== undefined) return current
        // A transaction holds a connection: another one may never come.
        if (yield* isOpen(sql)) return yield* read
        return yield* config
          .ready(tenantId)
          .pipe(Effect.catchTag("TimeoutError", () => Effect.fail(readTimedOut)))
      })

      const current = Effect.flatMap(Tenant, ({ id }) => currentOf(id))

      const declared = Effect.fnUntraced(function* (tenantId: string) {
        return [...Attribute.builtInAttributes, ...(yield* rows.attributes(tenantId))]
      })

      const attributes = Effect.gen(function* () {
        const tenant = yield* Tenant
        return (yield* declared(tenant.id)).map((attribute) => new RiskAttribute(attribute))
      }).pipe(Effect.withSpan("RiskRules.attributes"))

      const declare = Effect.fn("RiskRules.declare")(function* (wanted: ReadonlyArray<RiskAttribute>) {
        const tenant = yield* Tenant
        const now = yield* Now.now
        const write = Effect.gen(function* () {
          yield* rows.lockState(tenant.id, now)
          const existing = yield* declared(tenant.id)
          for (const { kind, name, type } of wanted) {
            const same = existing.find((attribute) => attribute.kind === kind && attribute.name === name)
            if (same !== undefined && same.type !== type) {
              return yield* new AttributeConflict({ kind, name, declaredType: same.type })
            }
          }
          const fresh = wanted.filter(
            ({ kind, name }) =>
              !existing.some((attribute) => attribute.kind === kind && attribute.name === name)
          )
          if (existing.length + fresh.length > attributesMax + Attribute.builtInAttributes.length) {
            return yield* new AttributeLimit({ attributesMax })
          }
          if (fresh.length > 0) yield* rows.declare(tenant.id, fresh, now)
          return (yield* declared(tenant.id)).map((attribute) => new RiskAttribute(attribute))
        })
        return yield* AuditedChange.change(sql, transactionOf(sql)(write), {
          action: "risk-attribute.declared",
          target: { type: "risk-attribute", id: "all" },
          after: () => ({ attributes: wanted })
        })
      })

      const state = Effect.gen(function* () {
        const tenant = yield* Tenant
        return toState(yield* rows.state(tenant.id))
      }).pipe(Effect.withSpan("RiskRules.state"))

      const repeatedKeys = (ruleSet: NewRuleSet) => {
        const seen = new Set<string>()
        return ruleSet.rules.flatMap(({ key }, index) => {
          if (!seen.has(key)) {
            seen.add(key)
            return []
          }
          return [
            { path: ["rules", index, "key"], rule: key, message: "Expected a key once", line: 1, column: 1 }
          ]
        })
      }

      const create = Effect.fn("RiskRules.create")(function* (ruleSet: NewRuleSet) {
        const tenant = yield* Tenant
        const now = yield* Now.now
        const known = yield* declared(tenant.id)
        const stored: Array<Engine.StoredRule> = []
        const errors: Array<Engine.RuleIssue> = [...repeatedKeys(ruleSet)]
        const { newest } = yield* state
        const checkedOf = Rows.checkedOf((yield* rows.sets(tenant.id, [newest]))[0], ruleSet.scorer)
        for (const [index, rule] of ruleSet.rules.entries()) {
          const existing = checkedOf(rule)
          if (existing !== undefined) {
            stored.push(existing)
            continue
          }
          const checked = Engine.checkRule(rule, yield* parse(rule.expression), index, {
            attributes: known,
            hasScorer: ruleSet.scorer !== undefined
          })
          if ("stored" in checked) stored.push(checked.stored)
          else errors.push(...checked.issues)
        }
        if (errors.length > 0) return yield* new RuleSetInvalid({ errors: errors.slice(0, errorsMax) })
        const write = Effect.gen(function* () {
          const state = yield* rows.lockState(tenant.id, now)
          const version = state.newest + 1
          if (version > versionsMax) return yield* new RuleSetLimit({ versionsMax })
          const body: Rows.Body = {
            astVersion: Ast.version,
            rules: stored,
            thresholds: ruleSet.thresholds ?? {},
            strict: [ruleSet.strict ?? []].flat(),
            ...(ruleSet.scorer === undefined ? {} : { scorer: ruleSet.scorer }),
            attributes: known
          }
          const note = ruleSet.note ?? ""
          yield* rows.insert(tenant.id, version, note, body, now)
          return toRuleSet({ version, note, body, recordedAt: now })
        })
        return yield* AuditedChange.change(sql, transactionOf(sql)(write), {
          action: "risk-rule-set.created",
          target: (created) => ({ type: "risk-rule-set", id: String(created.version) }),
          after: ({ note, recordedAt, strict, thresholds, version }) => ({
            note,
            recordedAt,
            strict,
            thresholds,
            version
          })
        })
      })

      const get = Effect.fn("RiskRules.get")(function* (version: number) {
        const tenant = yield* Tenant
        const [row] = yield* rows.sets(tenant.id, [version])
        return row === undefined ? yield* new RuleSetNotFound({ version }) : toRuleSet(row)
      })

      const list = Effect.fn("RiskRules.list")(function* (request: Page.Request) {
        const tenant = yield* Tenant
        const [before] = Option.getOrElse(yield* pages.after(request), () => [versionsMax + 1] as const)
        const found = yield* rows.list(tenant.id, before, Page.limitOf(request) + 1)
        return yield* pages.page(found.map(toRuleSet), request)
      })

      const choose = Effect.fn("RiskRules.choose")(function* (expected: number, choice: RuleSetChoice) {
        const tenant = yield* Tenant
        const now = yield* Now.now
        const shadow = choice.shadow ?? []
        const write = Effect.gen(function* () {
          const before = yield* rows.lockState(tenant.id, now)
          if (Number(before.revision) !== expected) {
            return yield* new VersionStale({ currentVersion: Number(before.revision) })
          }
          const wanted = [...(choice.live === null ? [] : [choice.live]), ...shadow]
          const found = new Set((yield* rows.sets(tenant.id, wanted)).map(({ version }) => version))
          const missing = wanted.find((version) => !found.has(version))
          if (missing !== undefined) return yield* new RuleSetNotFound({ version: missing })
          const after = yield* rows.choose(tenant.id, choice.live, shadow, now)
          yield* wakeup.signal(channel, tenant.id)
          return toState(after)
        })
        return yield* AuditedChange.change(sql, transactionOf(sql)(write), {
          action: "risk-rule-set.chosen",
          target: { type: "risk-rule-set", id: String(choice.live) },
          before: state,
          after: (chosen) => chosen
        })
      })

      const compiledVersion = Effect.fnUntraced(function* (tenantId: string, version: number) {
        const [row] = yield* rows.sets(tenantId, [version])
        return row === undefined ? yield* new RuleSetNotFound({ version }) : Rows.compiledOf(row)
      })

      return RiskRules.of({
        attributes,
        declare,
        create,
        get,
        list,
        state,
        choose,
        current,
        health: Effect.gen(function* () {
          const tenant = yield* Tenant
          const { live } = yield* state
          if (live === null) return []
          const set = yield* compiledVersion(tenant.id, live).pipe(
            Effect.catchTag("RuleSetNotFound", Effect.die)
          )
          return yield* reports.health(tenant.id, set)
        }).pipe(Effect.withSpan("RiskRules.health")),
        shadowReport: Effect.fn("RiskRules.shadowReport")(function* (version: number) {
          const tenant = yield* Tenant
          yield* get(version)
          return yield* reports.shadow(tenant.id, version)
        }),
        backtest: Effect.fn("RiskRules.backtest")(function* (request: BacktestRequest) {
          const tenant = yield* Tenant
          const set = yield* compiledVersion(tenant.id, request.version)
          return yield* backtest(tenant.id, set, request)
        })
      })
    })
  )
}
