/**
 * Handlers of the activity log.
 *
 * @since 0.1.0
 */
import * as Storage from "@hypermarket/core/Storage"
import * as Effect from "effect/Effect"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import type { ActivityExport, ActivityFormat } from "./Activity.ts"
import { ActivityApi } from "./ActivityApi.ts"
import { ActivityLog } from "./ActivityLog.ts"

/** The number of the checkpoint to continue after. Absent when the export is complete. */
const nextHeader = "x-next-after"

const contentTypes: Readonly<Record<ActivityFormat, string>> = {
  ndjson: "application/x-ndjson",
  ocsf: "application/x-ndjson",
  csv: "text/csv; charset=utf-8"
}

/** RFC 4180 ends lines so. */
const csvLineEnd = "\r\n"

/** Only `ndjson` has a line for the number to continue after: all formats have it in the header. */
const textOf = ({ lines, next }: ActivityExport, format: ActivityFormat) => {
  const end = format === "csv" ? csvLineEnd : "\n"
  return HttpServerResponse.text(lines.map((line) => `${line}${end}`).join(""), {
    contentType: contentTypes[format],
    headers: next === null ? {} : { [nextHeader]: String(next) }
  })
}

/**
 * @category layers
 * @since 0.1.0
 */
export const layer = HttpApiBuilder.group(
  ActivityApi,
  "audit",
  Effect.fn(function* (handlers) {
    const log = yield* ActivityLog
    return handlers.handleAll({
      list: ({ query }) => log.list(query).pipe(Storage.orUnavailable),
      head: () => Effect.all({ head: log.head, keys: log.keys }).pipe(Storage.orUnavailable),
      keys: () => Effect.map(log.keys, (items) => ({ items })).pipe(Storage.orUnavailable),
      exportActivity: ({ query: { after = 0, format = "ndjson" } }) =>
        log.exportAfter(after, format).pipe(
          Effect.map((part) => textOf(part, format)),
          Storage.orUnavailable
        ),
      verify: ({ payload }) => log.verify(payload).pipe(Storage.orUnavailable)
    })
  })
)
