/**
 * Handlers of the activity log.
 *
 * @since 0.1.0
 */
import * as Storage from "@hypermarket/core/Storage"
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import { ActivityApi } from "./ActivityApi.ts"
import { ActivityLog } from "./ActivityLog.ts"

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
      listActivity: ({ query }) => log.list(query).pipe(Storage.orUnavailable),
      getHead: () => Effect.all({ head: log.head, keys: log.keys }).pipe(Storage.orUnavailable),
      listAuditKeys: () => Effect.map(log.keys, (items) => ({ items })).pipe(Storage.orUnavailable),
      exportActivity: ({ query }) =>
        log.exportAfter(query.after ?? 0).pipe(
          Effect.map(({ lines }) => `${lines.join("\n")}\n`),
          Storage.orUnavailable
        ),
      verifyActivity: ({ payload }) => log.verify(payload).pipe(Storage.orUnavailable)
    })
  })
)
