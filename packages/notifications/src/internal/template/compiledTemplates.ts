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

/** A version that is sent, with the name of its layout. */
export interface CompiledTemplate extends Message.Compiled {
  readonly layout: string | undefined
}

const decodeContents = Schema.decodeUnknownEffect(Schema.Array(NotificationContent))

export class CompiledTemplates extends Context.Service<
  CompiledTemplates,
  {
    readonly get: (
      template: string,
      version: number
    ) => Effect.Effect<CompiledTemplate | undefined, SqlError, Tenant>
  }
>()("@hypermarket/notifications/CompiledTemplates") {
  static readonly layer: Layer.Layer<CompiledTemplates, never, SqlClient.SqlClient> = Layer.effect(
    CompiledTemplates,
    Effect.map(SqlClient.SqlClient, (sql) => {
      const compiled = new Map<string, CompiledTemplate>()
      return {
        get: Effect.fnUntraced(function* (template: string, version: number) {
          if (version === BuiltIn.builtInVersion) {
            const builtIn = BuiltIn.get(template)
            return builtIn === undefined ? undefined : { ...builtIn, layout: undefined }
          }
          const tenant = yield* Tenant
          const name = `${tenant.id} ${template} ${version}`
          const existing = compiled.get(name)
          if (existing !== undefined) {
            compiled.delete(name)
            compiled.set(name, existing)
            return existing
          }
          const [row] = yield* sql<{
            readonly contents: unknown
            readonly strict: boolean
            readonly layout: string | null
          }>`
            SELECT contents, strict, layout
              FROM hm_notification_template
             WHERE tenant_id = ${tenant.id}
               AND template = ${template}
               AND template_version = ${version}
               AND state <> 'draft'
          `
          if (row === undefined) return undefined
          const contents = yield* Effect.orDie(decodeContents(row.contents))
          const parsed = Result.getOrUndefined(Message.compile(contents, row.strict))
          if (parsed === undefined) return undefined
          const made = { ...parsed, layout: row.layout ?? undefined }
          const [oldest] = compiled.keys()
          if (compiled.size >= versionsMax && oldest !== undefined) compiled.delete(oldest)
          compiled.set(name, made)
          return made
        })
      }
    })
  )
}
