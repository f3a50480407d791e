/**
 * An audit log in memory: keeps each entry with its actor and tenant, in order. It cannot show that an entry and its change
 * commit together; tests of that use the real one.
 */
import { Actor } from "@hypermarket/core/Actor"
import * as Audit from "@hypermarket/core/Audit"
import { Tenant } from "@hypermarket/core/Tenant"
import { Context, Effect, Layer, Ref } from "effect"

export interface RecordedEntry extends Audit.Entry {
  readonly actor: Actor
  readonly tenantId: string
}

export class TestAudit extends Context.Service<
  TestAudit,
  { readonly entries: Effect.Effect<ReadonlyArray<RecordedEntry>> }
>()("@hypermarket/testing/TestAudit") {
  static readonly layer: Layer.Layer<TestAudit> = Layer.effectContext(
    Effect.gen(function* () {
      const entries = yield* Ref.make<ReadonlyArray<RecordedEntry>>([])
      const audit: Audit.Audit = {
        record: Effect.fn("TestAudit.record")(function* (entry: Audit.Entry) {
          const actor = yield* Actor
          const { id } = yield* Tenant
          yield* Ref.update(entries, (recorded) => [...recorded, { ...entry, actor, tenantId: id }])
        })
      }
      return Context.make(TestAudit, { entries: Ref.get(entries) }).pipe(Context.add(Audit.Audit, audit))
    })
  )
}
