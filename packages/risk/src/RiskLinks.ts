/**
 * The service of the link graph.
 *
 * @since 0.1.0
 */
import * as Now from "@hypermarket/core/Now"
import { Secrets, type SecretsNotConfigured } from "@hypermarket/core/Secrets"
import { Tenant } from "@hypermarket/core/Tenant"
import { transactionOf } from "@hypermarket/core/Transaction"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { SignalKind, SignalResult } from "./FraudSignal.ts"
import * as Entity from "./internal/entity.ts"
import * as Links from "./internal/linkStatements.ts"
import { degreeMax, ringEntitiesMax, RiskRing, type RingRequest, ringSignalsMax } from "./RiskLink.ts"
import { Outcome } from "./RiskRuleSet.ts"

const hopsMax = 2
const sinceDaysDefault = 30
const dayMillis = 86_400_000

const decodeSignal = Schema.decodeUnknownSync(
  Schema.Struct({ kind: SignalKind, result: SignalResult, outcome: Schema.NullOr(Outcome) })
)

interface Node {
  readonly hash: bigint
  readonly hops: number
  degree: number
}

/**
 * @category services
 * @since 0.1.0
 */
export class RiskLinks extends Context.Service<
  RiskLinks,
  {
    /**
     * Returns the entities within two hops of one that took part in the same signals, and their newest signals; nothing for one
     * that took part in no signal. An entity with more
     * than 50 neighbours, such as an office's address or a seller, is shown and not followed.
     */
    readonly ring: (request: RingRequest) => Effect.Effect<RiskRing, SecretsNotConfigured | SqlError, Tenant>
  }
>()("@hypermarket/risk/RiskLinks") {
  static readonly layer: Layer.Layer<RiskLinks, never, SqlClient.SqlClient | Secrets> = Layer.effect(
    RiskLinks,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const secrets = yield* Secrets
      const statements = Links.make(sql)

      const read = Effect.fnUntraced(function* (tenantId: string, start: bigint, since: Date) {
        const nodes = new Map<bigint, Node>([[start, { hash: start, hops: 0, degree: 0 }]])
        const links = new Map<string, RiskRing["links"][number]>()
        const ids = new Map<bigint, string>([[start, "e0"]])
        const idOf = (hash: bigint | string): string => ids.get(BigInt(hash)) ?? ""
        let truncated = false
        // Of the last hop only the degree is read.
        for (let hops = 0; hops <= hopsMax; hops++) {
          const frontier = Array.from(nodes.values()).filter((node) => node.hops === hops)
          const rows = yield* statements.neighbours(
            tenantId,
            frontier.map(({ hash }) => hash),
            since,
            degreeMax
          )
          // Grouped once: the last hop has up to 25,000 rows of 500 entities.
          const nearOf = Map.groupBy(rows, ({ entity }) => String(entity))
          for (const node of frontier) {
            const near = nearOf.get(String(node.hash)) ?? []
            node.degree = near.length
            // Where the ring begins a hub has neighbours too: they are what was asked for.
            if (hops === hopsMax || (near.length > degreeMax && hops > 0)) continue
            for (const row of near.slice(0, degreeMax)) {
              const other = BigInt(row.other)
              if (!nodes.has(other)) {
                if (nodes.size >= ringEntitiesMax) {
                  truncated = true
                  continue
                }
                ids.set(other, `e${nodes.size}`)
                nodes.set(other, { hash: other, hops: hops + 1, degree: 0 })
              }
              const [from = "", to = ""] = [idOf(node.hash), idOf(other)].toSorted()
              const existing = links.get(`${from} ${to}`)
              const first = DateTime.fromDateUnsafe(row.firstSeen)
              const last = DateTime.fromDateUnsafe(row.lastSeen)
              links.set(`${from} ${to}`, {
                from,
                to,
                firstSeen: existing === undefined ? first : DateTime.min(existing.firstSeen, first),
                lastSeen: existing === undefined ? last : DateTime.max(existing.lastSeen, last)
              })
            }
            if (near.length > degreeMax && hops === 0) truncated = true
          }
        }
        const list = Array.from(nodes.values())
        const isHub = ({ degree }: Node) => degree > degreeMax
        const members = list.filter((node) => !isHub(node) || node.hops === 0)
        const signals = yield* statements.signals(
          tenantId,
          members.map(({ hash }) => hash),
          since,
          ringSignalsMax + 1
        )
        // An entity that took part in nothing is not there.
        const known = signals.length === 0 && links.size === 0 ? [] : list
        return new RiskRing({
          entities: known.map((node) => ({
            id: idOf(node.hash),
            kind: Entity.kindOf(node.hash),
            hops: node.hops,
            degree: Math.min(node.degree, degreeMax),
            isHub: isHub(node)
          })),
          links: Array.from(links.values()),
          signals: signals.slice(0, ringSignalsMax).map((row) => ({
            ...decodeSignal(row),
            subject: row.subject,
            occurredAt: DateTime.fromDateUnsafe(row.occurredAt),
            entities: row.entities.map(idOf)
          })),
          truncated: truncated || signals.length > ringSignalsMax
        })
      })

      const ring = Effect.fn("RiskLinks.ring")(function* (request: RingRequest) {
        const tenant = yield* Tenant
        const now = yield* Now.now
        const hash = yield* Entity.hasher.pipe(Effect.provideService(Secrets, secrets))
        const [entity] = Entity.normalise(request.entity)
        if (entity === undefined) return yield* Effect.die("exactly one entity was admitted")
        const since =
          request.since === undefined
            ? new Date(now.getTime() - sinceDaysDefault * dayMillis)
            : DateTime.toDateUtc(request.since)
        return yield* transactionOf(sql)(read(tenant.id, hash(entity).hash, since))
      })

      return RiskLinks.of({ ring })
    })
  )
}
