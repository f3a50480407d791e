/**
 * The service of a tenant's activity log: records, lists, exports and verifies. Core's `Audit` writes through it, in the
 * transaction of the change.
 *
 * @since 0.1.0
 */
import * as Actor from "@hypermarket/core/Actor"
import * as Audit from "@hypermarket/core/Audit"
import * as Cursor from "@hypermarket/core/Cursor"
import * as Now from "@hypermarket/core/Now"
import * as Page from "@hypermarket/core/Page"
import { AllTenants, Tenant } from "@hypermarket/core/Tenant"
import { isOpen, transactionOf } from "@hypermarket/core/Transaction"
import type * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import {
  Activity,
  ActivityActor,
  type ActivityExport,
  type ActivityFormat,
  ActivityHead,
  ActivityId,
  ActivityKey,
  type ActivityReport,
  type ActivityRequest,
  type ActivityVerify,
  type NewActivity
} from "./Activity.ts"
import * as Formats from "./audit/formats.ts"
import * as Leaf from "./audit/leaf.ts"
import * as Merkle from "./audit/merkle.ts"
import * as Statements from "./audit/statements.ts"
import * as Verification from "./audit/verification.ts"
import * as Writing from "./audit/writing.ts"
import * as Settings from "./PlatformSettings.ts"

const cursors = Cursor.make({
  list: "platform.activity",
  key: Schema.Tuple([Schema.String.check(Schema.isMaxLength(40)), ActivityId])
})

const Detail = Schema.fromJsonString(
  Schema.Struct({
    targetId: Schema.String,
    before: Schema.optionalKey(Schema.Json),
    after: Schema.optionalKey(Schema.Json)
  })
)
const decodeDetail = Schema.decodeUnknownEffect(Detail)
const decodeActor = Schema.decodeUnknownEffect(Schema.fromJsonString(ActivityActor))
const decodeActorType = Schema.decodeUnknownEffect(Actor.ActorType)

/** Rows of one export, and at least one checkpoint: most often some megabytes. */
const exportRowsMax = 10_000

/** Text of one export after which no further checkpoint is read. A checkpoint has about as much at most. */
const exportCharactersMax = 16 * 1_048_576

/** Sealing takes a minute; a row that is older by an hour was added later, or nothing seals. */
const unsealedMinutesMax = 60
const minuteMillis = 60_000

/**
 * @category services
 * @since 0.1.0
 */
export class ActivityLog extends Context.Service<
  ActivityLog,
  {
    /** Records an entry, in the caller's transaction when there is one. */
    readonly record: (activity: NewActivity) => Effect.Effect<void, SqlError, Tenant>
    /**
     * Lists the newest first, and records that it was read. A page with a filter examines 10,000 rows: it may have fewer
     * items than asked for, or none, and go on with `nextCursor`.
     */
    readonly list: (
      request: ActivityRequest
    ) => Effect.Effect<Page.Page<Activity>, Page.CursorInvalid | SqlError, Tenant>
    /** Reads the newest checkpoint; null before the first. */
    readonly head: Effect.Effect<ActivityHead | null, SqlError, Tenant>
    /** Reads the public keys that have signed checkpoints of this installation, the first one first. */
    readonly keys: Effect.Effect<ReadonlyArray<ActivityKey>, SqlError, Tenant>
    /**
     * Exports the checkpoints after a number with their rows, about 10,000 rows or 16 MiB at a time. Records that it was read.
     *
     * `ndjson` can be verified. `csv` and `ocsf` have the rows alone, for spreadsheets and collectors of security events.
     */
    readonly exportAfter: (
      number: number,
      format?: ActivityFormat
    ) => Effect.Effect<ActivityExport, SqlError, Tenant>
    /** Lists the owners of logs: tenants, and `_system` for the installation. */
    readonly owners: Effect.Effect<ReadonlyArray<string>, SqlError, AllTenants>
    /** Compares the log with its checkpoints, and names each row and checkpoint that is not as it was sealed. */
    readonly verify: (request: ActivityVerify) => Effect.Effect<ActivityReport, SqlError, Tenant>
  }
>()("@hypermarket/platform/ActivityLog") {
  static readonly layer: Layer.Layer<ActivityLog, Config.ConfigError, SqlClient.SqlClient> = Layer.effect(
    ActivityLog,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const signingKeys = yield* Settings.signingKeys
      const statements = Statements.make(sql)
      const write = Writing.make(sql)

      const toActivity = Effect.fnUntraced(function* (row: Leaf.LogRow) {
        const { targetId, ...states } =
          row.detail === null ? { targetId: null } : yield* Effect.orDie(decodeDetail(row.detail))
        return new Activity({
          activityId: ActivityId.make(row.activityId),
          recordedAt: DateTime.makeUnsafe(row.recordedAt),
          action: row.action,
          actorType: yield* Effect.orDie(decodeActorType(row.actorType)),
          actor: row.actor === null ? null : yield* Effect.orDie(decodeActor(row.actor)),
          targetType: row.targetType,
          targetId,
          ...states
        })
      })

      const list = Effect.fn("ActivityLog.list")(function* (request: ActivityRequest) {
        const tenant = yield* Tenant
        const { cursor, ...asked } = request
        const [recordedAt, activityId] =
          cursor === undefined ? [undefined, undefined] : yield* cursors.decode(cursor)
        const limit = Page.limitOf(request)
        const read = Effect.gen(function* () {
          const examined = yield* statements.list(
            tenant.id,
            recordedAt === undefined ? undefined : { recordedAt, activityId },
            {
              action: request.action ?? null,
              targetType: request.targetType ?? null,
              actor: request.actorId === undefined ? null : Verification.actorMark(request.actorId),
              detail: request.targetId === undefined ? null : Verification.targetMark(request.targetId)
            },
            limit + 1
          )
          const matches = examined.filter(({ isMatch }) => isMatch)
          const last = matches.length > limit ? matches[limit - 1] : examined.find(({ isLast }) => isLast)
          yield* write({
            action: "activity.read",
            target: { type: "activity", id: tenant.id },
            after: { ...asked, items: Math.min(matches.length, limit) }
          })
          return {
            items: yield* Effect.forEach(matches.slice(0, limit), ({ row }) => toActivity(row)),
            nextCursor:
              last === undefined
                ? null
                : yield* cursors.encode([last.row.recordedAt, ActivityId.make(last.row.activityId)])
          }
        })
        return yield* transactionOf(sql)(read)
      })

      const headOf = (checkpoint: Statements.Checkpoint): ActivityHead => {
        const text = Leaf.checkpointText(checkpoint)
        return new ActivityHead({
          tenantId: checkpoint.tenantId,
          number: checkpoint.number,
          hash: Leaf.hex(Merkle.textHash(text)),
          checkpoint: text,
          signature:
            checkpoint.signature === null ? null : Buffer.from(checkpoint.signature).toString("base64")
        })
      }

      const head = Effect.gen(function* () {
        const tenant = yield* Tenant
        const checkpoint = yield* statements.newest(tenant.id)
        return checkpoint === undefined ? null : headOf(checkpoint)
      }).pipe(Effect.withSpan("ActivityLog.head"))

      const keys = Effect.gen(function* () {
        yield* Tenant
        const rows = yield* statements.keys
        return rows.map(
          ({ keyId, publicKey, since }) =>
            new ActivityKey({ keyId, publicKey: Buffer.from(publicKey).toString("base64"), since })
        )
      }).pipe(Effect.withSpan("ActivityLog.keys"))

      const linesOf = Effect.fnUntraced(function* (checkpoint: Statements.Checkpoint) {
        const rows = new Map((yield* statements.rowsOf(checkpoint)).map((row) => [row.activityId, row]))
        const { checkpoint: text, signature } = headOf(checkpoint)
        return [
          JSON.stringify({ type: "checkpoint", checkpoint: text, signature }),
          ...checkpoint.activityIds.flatMap((id) => {
            const row = rows.get(id)
            if (row === undefined) return []
            const { actor, actorSalt, detail, detailSalt } = row
            return [
              JSON.stringify({
                type: "row",
                leaf: Leaf.leafText(row),
                actor,
                actorSalt: actorSalt === null ? null : Leaf.hex(actorSalt),
                detail,
                detailSalt: detailSalt === null ? null : Leaf.hex(detailSalt)
              })
            ]
          })
        ]
      })

      /** The rows of a checkpoint without the checkpoint. */
      const entriesOf = Effect.fnUntraced(function* (
        checkpoint: Statements.Checkpoint,
        write: (activity: Activity) => string
      ) {
        const rows = new Map((yield* statements.rowsOf(checkpoint)).map((row) => [row.activityId, row]))
        return yield* Effect.forEach(
          checkpoint.activityIds.flatMap((id) => rows.get(id) ?? []),
          (row) => Effect.map(toActivity(row), write)
        )
      })

      const exportAfter = Effect.fn("ActivityLog.exportAfter")(function* (
        number: number,
        format: ActivityFormat = "ndjson"
      ) {
        const tenant = yield* Tenant
        const partOf = (checkpoint: Statements.Checkpoint) =>
          format === "csv"
            ? entriesOf(checkpoint, Formats.toCsv)
            : format === "ocsf"
              ? entriesOf(checkpoint, (activity) => JSON.stringify(Formats.toOcsf(activity, tenant.id)))
              : linesOf(checkpoint)
        const read = Effect.gen(function* () {
          const lines =
            format === "ndjson" ? [JSON.stringify({ type: "keys", keys: yield* keys })] : Array.of<string>()
          if (format === "csv" && number === 0) lines.push(Formats.csvHeader)
          let last = number
          let rows = 0
          let characters = 0
          let isComplete = false
          while (!isComplete && rows < exportRowsMax && characters < exportCharactersMax) {
            const [checkpoint] = yield* statements.checkpoints(tenant.id, last, 1)
            isComplete = checkpoint === undefined
            if (checkpoint === undefined || (rows > 0 && rows + checkpoint.rows > exportRowsMax)) break
            for (const line of yield* partOf(checkpoint)) {
              lines.push(line)
              characters += line.length
            }
            last = checkpoint.number
            rows += checkpoint.rows
          }
          const next = isComplete ? null : last
          if (format === "ndjson") lines.push(JSON.stringify({ type: "end", next }))
          yield* write({
            action: "activity.exported",
            target: { type: "activity", id: tenant.id },
            after: { after: number, format, rows }
          })
          return { lines, next }
        })
        return yield* transactionOf(sql)(read)
      })

      const owners = Effect.gen(function* () {
        yield* AllTenants
        const rows = yield* statements.grown(new Date(0))
        return rows.map(({ tenantId }) => tenantId)
      }).pipe(Effect.withSpan("ActivityLog.owners"))

      const verify = Effect.fn("ActivityLog.verify")(function* (request: ActivityVerify) {
        const tenant = yield* Tenant
        const now = yield* Now.now
        const publicKeys = new Map<string, Uint8Array>()
        if (request.keys === undefined) {
          for (const { keyId, publicKey } of yield* statements.keys) publicKeys.set(keyId, publicKey)
          // What the process was given goes before what the database holds.
          for (const { keyId, publicKey } of signingKeys) publicKeys.set(keyId, publicKey)
        } else {
          for (const [keyId, text] of Object.entries(request.keys)) {
            publicKeys.set(keyId, Buffer.from(text, "base64"))
          }
        }
        return yield* Verification.verify(statements, {
          ...request,
          tenantId: tenant.id,
          publicKeys,
          sealedBefore: new Date(now.getTime() - unsealedMinutesMax * minuteMillis)
        })
      })

      return ActivityLog.of({
        // Without a span: it is part of the change that is audited, and its statement has one.
        record: write,
        list,
        head,
        keys,
        exportAfter,
        owners,
        verify
      })
    })
  )

  /** Fills core's `Audit`. A change that is recorded outside of a transaction is a mistake in the service, and dies. */
  static readonly layerAudit: Layer.Layer<never, never, SqlClient.SqlClient> = Layer.effect(
    Audit.Audit,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const write = Writing.make(sql)
      return {
        record: (entry) =>
          Effect.flatMap(isOpen(sql), (open) =>
            open
              ? write(entry)
              : Effect.die(
                  new TypeError(
                    `${entry.action} is recorded outside of a transaction: record it with the change, for example by AuditedChange.change`
                  )
                )
          )
      }
    })
  )
}
