/** `hypermarket audit`: verifies, exports and shows the head of the activity log. */
import * as Audit from "@hypermarket/core/Audit"
import * as Database from "@hypermarket/core/Database"
import * as Tenant from "@hypermarket/core/Tenant"
import { type ActivityReport, type ActivityVerify, KeptHead } from "@hypermarket/platform/Activity"
import { ActivityLog } from "@hypermarket/platform/ActivityLog"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { failed, misused, orCommandFailed } from "../CommandFailed.ts"
import * as Output from "../Output.ts"
import { tenantArgument } from "./Tenants.ts"

const services = Layer.unwrap(
  Effect.map(Database.options, (options) =>
    ActivityLog.layer.pipe(Layer.provide(Database.layer(options, "hypermarket-cli")))
  )
)

const asOperator = Effect.provideService(Tenant.AllTenants, { actor: "cli" })

/** A file of the answer of `audit head`, or of the part that counts. */
const HeadFile = Schema.fromJsonString(
  Schema.Struct({
    head: KeptHead,
    keys: Schema.optionalKey(Schema.Array(Schema.Struct({ keyId: Schema.String, publicKey: Schema.String })))
  })
)

const readHead = Effect.fnUntraced(function* (path: string) {
  const files = yield* FileSystem.FileSystem
  const text = yield* files.readFileString(path).pipe(Effect.mapError(() => failed(`${path} cannot be read`)))
  const { head, keys } = yield* Schema.decodeEffect(HeadFile)(text).pipe(
    Effect.mapError(() => misused(`${path} is no head: keep what \`hypermarket audit head\` prints`))
  )
  return {
    head,
    ...(keys === undefined
      ? {}
      : { keys: Object.fromEntries(keys.map(({ keyId, publicKey }) => [keyId, publicKey])) })
  }
})

const render = (report: ActivityReport): ReadonlyArray<string> => [
  `${report.tenantId}: ${report.problems.length === 0 ? "intact" : "NOT INTACT"}, ${report.rows} rows under ${report.checkpoints} checkpoints` +
    `${report.unsigned === 0 ? "" : `, ${report.unsigned} of them not signed`}, ${report.unsealed} rows not sealed yet, ${report.erased} erased, ${report.dropped} dropped by retention`,
  ...report.problems.map(
    ({ checkpoint, id, kind, reason }) =>
      `  ${kind} ${id}${kind === "row" && checkpoint !== null ? ` of checkpoint ${checkpoint}` : ""}: ${reason}`
  ),
  ...report.late.map(
    ({ activityId, checkpoint, recordedAt }) =>
      `  late: row ${activityId} of ${recordedAt} was sealed by checkpoint ${checkpoint}`
  )
]

const verify = Command.make(
  "verify",
  {
    tenant: tenantArgument.pipe(Argument.optional),
    head: Flag.String("head").pipe(
      Flag.withDescription("A file of `audit head` that was kept elsewhere: finds a dropped end"),
      Flag.optional
    ),
    json: Output.jsonFlag
  },
  Effect.fn(
    function* ({ head, json, tenant }) {
      const log = yield* ActivityLog
      const kept: ActivityVerify = Option.isSome(head) ? yield* readHead(head.value) : {}
      const owners = Option.isSome(tenant)
        ? [tenant.value]
        : kept.head !== undefined
          ? [kept.head.tenantId]
          : yield* log.owners
      if (Option.isSome(tenant) && kept.head !== undefined && kept.head.tenantId !== tenant.value) {
        return yield* misused(`The head is of ${kept.head.tenantId}, not of ${tenant.value}`)
      }
      const reports = yield* Effect.forEach(owners, (owner) => log.verify(kept).pipe(Audit.inLogOf(owner)))
      yield* json
        ? Output.json({ reports })
        : Console.log(reports.length === 0 ? "The log has no rows" : reports.flatMap(render).join("\n"))
      const wrong = reports.filter(({ problems }) => problems.length > 0)
      if (wrong.length > 0) {
        return yield* failed(
          `The activity log of ${wrong.map(({ tenantId }) => tenantId).join(", ")} is not intact`
        )
      }
    },
    asOperator,
    Effect.provide(services),
    orCommandFailed
  )
).pipe(
  Command.withDescription(
    "Compare the activity log with its checkpoints, of all tenants or one. Exits with 1 when a row or checkpoint is wrong"
  )
)

const head = Command.make(
  "head",
  { tenant: tenantArgument },
  Effect.fn(
    function* ({ tenant }) {
      const log = yield* ActivityLog
      yield* Effect.all({ head: log.head, keys: log.keys }).pipe(
        Audit.inLogOf(tenant),
        Effect.flatMap(Output.json)
      )
    },
    Effect.provide(services),
    orCommandFailed
  )
).pipe(Command.withDescription("Print the newest checkpoint and the public keys, to be kept elsewhere"))

const exportCommand = Command.make(
  "export",
  {
    tenant: tenantArgument,
    format: Flag.Literals("format", ["ndjson", "csv", "ocsf"]).pipe(
      Flag.withDescription(
        "ndjson can be verified; csv and ocsf have the rows alone, for spreadsheets and security events"
      ),
      Flag.withDefault("ndjson")
    )
  },
  Effect.fn(
    function* ({ format, tenant }) {
      const log = yield* ActivityLog
      let next: number | null = 0
      while (next !== null) {
        const part: { readonly lines: ReadonlyArray<string>; readonly next: number | null } = yield* log
          .exportAfter(next, format)
          .pipe(Audit.inLogOf(tenant))
        if (part.lines.length > 0) yield* Console.log(part.lines.join("\n"))
        next = part.next
      }
    },
    Effect.provide(services),
    orCommandFailed
  )
).pipe(
  Command.withDescription(
    "Print the sealed rows of a tenant: with checkpoints and proofs, as CSV, or as OCSF"
  )
)

export const command = Command.make("audit").pipe(
  Command.withDescription("The tamper-evident activity log of the installation behind DATABASE_URL"),
  Command.withSubcommands([verify, head, exportCommand])
)
