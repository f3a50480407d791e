/**
 * The HTTP group of the installation itself: its checks, its settings, its release and the figures of the process.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import * as HttpApi from "effect/http-api/HttpApi"
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as Api from "./Api.ts"
import { MayRunLong, RequestDeadline } from "./Authorization.ts"
import * as Endpoint from "./Endpoint.ts"
import * as Text from "./Text.ts"

/**
 * How urgent a finding is: `warn` needs a look this week, `fail` needs one now.
 *
 * @category schemas
 * @since 0.1.0
 */
export const FindingStatus = Schema.Literals(["ok", "warn", "fail"])

/**
 * @category models
 * @since 0.1.0
 */
export class SystemFinding extends Schema.Class<SystemFinding>("@hypermarket/core/SystemFinding")({
  domain: Schema.String,
  check: Schema.String,
  status: FindingStatus,
  message: Schema.String,
  /** The remedy; null when there is none. */
  hint: Schema.NullOr(Schema.String)
}) {}

/**
 * @category models
 * @since 0.1.0
 */
export class SystemSetting extends Schema.Class<SystemSetting>("@hypermarket/core/SystemSetting")({
  /** The domain that it belongs to; `process` for those of the process. */
  domain: Schema.String,
  name: Schema.String,
  doc: Schema.String,
  /** The default as text; null when there is none. */
  default: Schema.NullOr(Schema.String),
  /** True when the environment of this process has it. */
  isSet: Schema.Boolean,
  /** True for a value that is never shown. */
  isSecret: Schema.Boolean,
  /** The value in force since the process started; null when it is secret or absent. */
  value: Schema.NullOr(Schema.String)
}) {}

/**
 * @category models
 * @since 0.1.0
 */
export class SystemInstallation extends Schema.Class<SystemInstallation>(
  "@hypermarket/core/SystemInstallation"
)({
  installedRelease: Schema.String,
  nodeRelease: Schema.String,
  postgresRelease: Schema.String,
  startedAt: Schema.DateTimeUtcFromString,
  domains: Schema.Array(
    Schema.Struct({
      domain: Schema.String,
      migrations: Schema.Int,
      /** Null for a domain without tables. */
      newestMigration: Schema.NullOr(Schema.String)
    })
  )
}) {}

/**
 * @category models
 * @since 0.1.0
 */
export class SystemFigure extends Schema.Class<SystemFigure>("@hypermarket/core/SystemFigure")({
  name: Schema.String,
  description: Schema.String,
  attributes: Schema.Record(Schema.String, Schema.String),
  value: Schema.Finite
}) {}

const items = <A extends Schema.Top>(item: A) => Schema.Struct({ items: Schema.Array(item) })

/** Names of domains, settings and metrics are far shorter. */
const Name = Text.make({ max: 100 })

/**
 * @category api
 * @since 0.1.0
 */
export class SystemGroup extends Endpoint.systemGroup(
  "system",
  {
    title: "System",
    description:
      "The installation as its operator sees it: what `hypermarket doctor` finds, the settings in force without secrets, the releases, and the figures of the process that answers. These operations need the tenant-less credential and show no row of a tenant."
  },
  HttpApiEndpoint.get("listChecks", "/v1/system/checks", {
    query: { domain: Schema.optionalKey(Name), status: Schema.optionalKey(FindingStatus) },
    success: items(SystemFinding)
  })
    .annotate(MayRunLong, true)
    .annotate(RequestDeadline, "30 seconds"),
  HttpApiEndpoint.get("listSettings", "/v1/system/settings", {
    query: { domain: Schema.optionalKey(Name) },
    success: items(SystemSetting)
  }),
  HttpApiEndpoint.get("getInstallation", "/v1/system/installation", { success: SystemInstallation }),
  HttpApiEndpoint.get("listFigures", "/v1/system/figures", {
    query: { name: Schema.optionalKey(Name) },
    success: items(SystemFigure)
  })
) {}

/**
 * @category api
 * @since 0.1.0
 */
export class SystemApi extends HttpApi.make(Api.id).add(SystemGroup) {}
