/** Published versions of templates, compiled once per process: a version never changes. */
import { Tenant } from "@hypermarket/core/Tenant"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { NotificationContent } from "../../NotificationTemplate.ts"
import * as BuiltIn from "./builtIn.ts"
import * as Message from "./message.ts"

/** Versions in memory per process, some 100 KB each at most; the least recently used goes. */
const versionsMax = 500

const decodeContents = Schema.decodeUnknownEffect(Schema.Array(NotificationContent))

export class CompiledTemplates extends Context.Service<
  CompiledTemplates,
  {
    readonly get: (
      template: string,
      version: number
    ) => Effect.Effect<Message.Compiled | undefined, SqlError, Tenant>
  }
>()("@hypermarket/notifications/CompiledTemplates") {
  static readonly layer: Layer.Layer<CompiledTemplates, never, SqlClient.SqlClient> = Layer.effect(
    CompiledTemplates,
    Effect.map(SqlClient.SqlClient, (sql) => {
      const compiled = new Map<string, Message.Compiled>()
      return {
        get: Effect.fnUntraced(function* (template: string, version: number) {
          if (version === BuiltIn.builtInVersion) return BuiltIn.get(template)
          const tenant = yield* Tenant
          const name = `${tenant.id} ${template} ${version}`
          const existing = compiled.get(name)
          if (existing !== undefined) {
            compiled.delete(name)
            compiled.set(name, existing)
            return existing
          }
          const [row] = yield* sql<{ readonly contents: unknown; readonly strict: boolean }>`
            SELECT contents, strict
              FROM hm_notification_template
             WHERE tenant_id = ${tenant.id}
               AND template = ${template}
               AND template_version = ${version}
               AND state <> 'draft'
          `
          if (row === undefined) return undefined
          const contents = yield* Effect.orDie(decodeContents(row.contents))
          const made = Result.getOrUndefined(Message.compile(contents, row.strict))
          if (made === undefined) return undefined
          const [oldest] = compiled.keys()
          if (compiled.size >= versionsMax && oldest !== undefined) compiled.delete(oldest)
          compiled.set(name, made)
          return made
        })
      }
    })
  )
}
