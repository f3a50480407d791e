import { assert, layer } from "@effect/vitest"
import * as CoreDomain from "@hypermarket/core/CoreDomain"
import * as Domain from "@hypermarket/core/Domain"
import { AllTenants, provide, Tenant, TenantId } from "@hypermarket/core/Tenant"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { Context, Effect, Layer, Stream } from "effect"

/** The persons of a domain, by tenant. */
class Persons extends Context.Service<Persons, { readonly namesOf: (tenantId: string) => Array<string> }>()(
  "test/Persons"
) {}

const names = ["Ann", "Bob"]

const domain = Domain.make<Persons, never, never>({
  name: "persons",
  tables: ["hm_person_"],
  migrations: CoreDomain.migrations,
  layer: Layer.succeed(Persons, { namesOf: (tenantId) => (tenantId === "acme" ? names : []) }),
  subjectData: {
    tables: ["hm_person_name"],
    discover: () => Effect.succeed([{ kind: "email", value: "ann@example.com" }]),
    export: () =>
      Stream.unwrap(
        Effect.gen(function* () {
          const { namesOf } = yield* Persons
          const { id } = yield* Tenant
          return Stream.fromIterable(namesOf(id).map((name) => ({ table: "hm_person_name", row: { name } })))
        })
      ),
    erase: ({ id }) =>
      Effect.gen(function* () {
        const { namesOf } = yield* Persons
        const list = namesOf((yield* Tenant).id)
        const index = list.indexOf(id)
        return { rows: index === -1 ? 0 : list.splice(index, 1).length, kept: [] }
      }),
    eraseTenant: () => Effect.succeed({ rows: 0, kept: [] })
  }
})

layer(TestDatabase.layer(CoreDomain.migrations), { excludeTestServices: true })("A domain", (it) => {
  it.effect("has its subject data closed over its services, for the tenant that is asked about", () =>
    Effect.gen(function* () {
      const { subjectData } = yield* domain.start
      const subject = { kind: "customer", id: "Ann", identifiers: [] } as const
      if (subjectData === undefined) return assert.fail("no subject data")
      assert.lengthOf(yield* subjectData.discover(subject), 1)
      assert.lengthOf(yield* Stream.runCollect(subjectData.export(subject)), 2)
      assert.strictEqual((yield* subjectData.erase(subject)).rows, 1)
      assert.deepStrictEqual(names, ["Bob"])
      const elsewhere = subjectData.erase({ ...subject, id: "Bob" }).pipe(provide(TenantId.make("globex")))
      assert.strictEqual((yield* elsewhere).rows, 0)
    }).pipe(provide(TenantId.make("acme")), Effect.provideService(AllTenants, { actor: "test" }))
  )
})
