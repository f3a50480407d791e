/** Entries of the log as CSV and as events of OCSF, for spreadsheets and collectors of security events. */
import * as DateTime from "effect/DateTime"
import type * as Schema from "effect/Schema"
import type { Activity } from "../Activity.ts"

const columns = [
  "activityId",
  "recordedAt",
  "action",
  "actorType",
  "actorId",
  "onBehalfOf",
  "address",
  "requestId",
  "targetType",
  "targetId",
  "before",
  "after"
] as const

/** The first line of a CSV file. */
export const csvHeader = columns.join(",")

/** A spreadsheet runs a text that begins so as a formula: an apostrophe makes it text. */
const formulaPattern = /^[=+\-@\t\r]/

/** RFC 4180: quoted, with quotes doubled. */
const field = (value: string | null | undefined): string => {
  const text = value ?? ""
  const safe = formulaPattern.test(text) ? `'${text}` : text
  return `"${safe.replaceAll('"', '""')}"`
}

const jsonOf = (state: Schema.Json | undefined): string | undefined =>
  state === undefined ? undefined : JSON.stringify(state)

/** A line of CSV, without its end. The fields of an erased person are empty. */
export const toCsv = (activity: Activity): string => {
  const { actor } = activity
  const values: Readonly<Record<(typeof columns)[number], string | null | undefined>> = {
    activityId: activity.activityId,
    recordedAt: DateTime.formatIso(activity.recordedAt),
    action: activity.action,
    actorType: activity.actorType,
    actorId: actor?.id,
    onBehalfOf: actor?.onBehalfOf,
    address: actor?.address,
    requestId: actor?.requestId,
    targetType: activity.targetType,
    targetId: activity.targetId,
    before: jsonOf(activity.before),
    after: jsonOf(activity.after)
  }
  return columns.map((name) => field(values[name])).join(",")
}

/** The version of the Open Cybersecurity Schema Framework, whose class Entity Management an entry is. */
const ocsfVersion = "1.3.0"
const identityCategory = 3
const entityManagement = 3004
const informational = 1
const success = 1

/** Activities of the class by the verb of an action. Others are 99, with the verb as their name. */
const activityIds: ReadonlyMap<string, number> = new Map([
  ["created", 1],
  ["added", 1],
  ["granted", 1],
  ["issued", 1],
  ["read", 2],
  ["exported", 2],
  ["changed", 3],
  ["updated", 3],
  ["rotated", 3],
  ["set", 3],
  ["published", 3],
  ["removed", 4],
  ["deleted", 4],
  ["revoked", 4],
  ["erased", 4]
])
const otherActivity = 99

const verbOf = (action: string): string => action.slice(action.indexOf(".") + 1)

/** An event of the class Entity Management (3004) of OCSF 1.3. */
export const toOcsf = (activity: Activity, tenantId: string): Schema.Json => {
  const { action, actor, actorType, after, before, targetId, targetType } = activity
  const activityId = activityIds.get(verbOf(action)) ?? otherActivity
  return {
    activity_id: activityId,
    activity_name: verbOf(action),
    category_uid: identityCategory,
    class_uid: entityManagement,
    type_uid: entityManagement * 100 + activityId,
    severity_id: informational,
    status_id: success,
    time: DateTime.toEpochMillis(activity.recordedAt),
    metadata: {
      uid: activity.activityId,
      version: ocsfVersion,
      tenant_uid: tenantId,
      event_code: action,
      product: { name: "Hypermarket", vendor_name: "Hypermarket" },
      ...(actor?.requestId === undefined ? {} : { correlation_uid: actor.requestId })
    },
    actor: {
      user: {
        type: actorType,
        ...(actor === null ? {} : { uid: actor.id })
      },
      ...(actor?.onBehalfOf === undefined ? {} : { app_uid: actor.onBehalfOf })
    },
    ...(actor?.address === undefined ? {} : { src_endpoint: { ip: actor.address } }),
    entity: {
      type: targetType,
      ...(targetId === null ? {} : { uid: targetId }),
      ...(before === undefined ? {} : { data: before })
    },
    ...(after === undefined ? {} : { entity_result: { type: targetType, data: after } })
  }
}
