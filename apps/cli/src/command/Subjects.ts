/** `hypermarket subjects`: exports and erases the data of a person, and erases a tenant. */
import * as Database from "@hypermarket/core/Database"
import * as Domain from "@hypermarket/core/Domain"
import * as SubjectData from "@hypermarket/core/SubjectData"
import * as Tenant from "@hypermarket/core/Tenant"
import * as Wakeup from "@hypermarket/core/Wakeup"
import { domains } from "@hypermarket/installation/domains"
import type { SubjectRequest } from "@hypermarket/platform/SubjectRequest"
import { SubjectRequests } from "@hypermarket/platform/SubjectRequests"
import * as Flag from "effect/cli/Flag"
import * as Command from "effect/cli/Command"
import * as Console from "effect/Console"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { failed, misused, orCommandFailed } from "../CommandFailed.ts"
import * as Output from "../Output.ts"
import { tenantArgument } from "./Tenants.ts"

/** The services of all domains, with what each of them holds of persons. */
const services = Layer.unwrap(
  Effect.map(Database.options, (options) =>
    Layer.effectContext(
      Effect.map(Domain.start(domains), (started) =>
        started.reduce<Context.Context<never>>(
          (context, domain) => Context.merge(context, domain.context),
          Context.empty()
        )
      )
    ).pipe(
      Layer.provideMerge(SubjectRequests.layer),
      Layer.provide([Database.layer(options, "hypermarket-cli"), Wakeup.layerSilent])
    )
  )
)

const asOperator = Effect.provideService(Tenant.AllTenants, { actor: "cli" })

const kindFlag = Flag.Literals("kind", ["customer", "seller", "user"]).pipe(
  Flag.withDescription("The kind of the person"),
  Flag.withDefault("customer")
)

const idFlag = Flag.String("id").pipe(Flag.withDescription("The shop's own id of the person"))

const identifiersFlag = Flag.String("identifier").pipe(
  Flag.withDescription("A further name, such as email=ann@example.com; may be repeated"),
  Flag.between(0, 100)
)

const decodeSubject = Schema.decodeUnknownEffect(SubjectData.Subject)

const subjectOf = Effect.fnUntraced(function* (kind: string, id: string, identifiers: ReadonlyArray<string>) {
  const named = identifiers.map((text) => {
    const equals = text.indexOf("=")
    return { kind: text.slice(0, Math.max(0, equals)), value: text.slice(equals + 1) }
  })
  return yield* decodeSubject({ kind, id, identifiers: named }).pipe(
    Effect.mapError((error) =>
      misused(`The person is not valid: ${error.message}. Write --identifier <kind>=<value>`)
    )
  )
})

const receipt = (request: SubjectRequest): string =>
  [
    `Request ${request.requestId} is ${request.state}: ${request.rows} rows`,
    ...Object.entries(request.domains).map(([domain, rows]) => `  ${domain}: ${rows}`),
    ...(request.kept.length === 0 ? [] : ["Without the person there remain:"]),
    ...request.kept.map(({ reason, rows, table }) => `  ${rows} rows of ${table}: ${reason}`)
  ].join("\n")

const print = (request: SubjectRequest, json: boolean) =>
  json ? Output.json(request) : Console.log(receipt(request))

const run = Effect.fnUntraced(function* (
  tenantId: Tenant.TenantId,
  kind: "export" | "erasure",
  subject: SubjectData.Subject
) {
  const requests = yield* SubjectRequests
  const { requestId } = yield* requests.create({ kind, subject }).pipe(Tenant.provide(tenantId))
  return yield* requests
    .finish(tenantId, requestId)
    .pipe(Effect.catchTag("SubjectRequestNotFound", () => Effect.fail(failed("The request is gone"))))
})

const flags = { tenant: tenantArgument, kind: kindFlag, id: idFlag, identifiers: identifiersFlag }

const exportCommand = Command.make(
  "export",
  flags,
  Effect.fn(
    function* ({ id, identifiers, kind, tenant }) {
      const requests = yield* SubjectRequests
      const request = yield* run(tenant, "export", yield* subjectOf(kind, id, identifiers))
      for (let part = 1; part <= request.parts; part++) {
        yield* requests.part(request.requestId, part).pipe(
          Tenant.provide(tenant),
          Effect.catchTags({
            SubjectPartNotFound: () => Effect.fail(failed(`Part ${part} of the export is gone`)),
            SubjectRequestNotFound: () => Effect.fail(failed("The request is gone"))
          }),
          Effect.flatMap(Console.log)
        )
      }
    },
    asOperator,
    Effect.provide(services),
    orCommandFailed
  )
).pipe(
  Command.withDescription(
    "Print everything that the installation holds of a person, one row per line of JSON"
  )
)

const erase = Command.make(
  "erase",
  { ...flags, json: Output.jsonFlag },
  Effect.fn(
    function* ({ id, identifiers, json, kind, tenant }) {
      const request = yield* run(tenant, "erasure", yield* subjectOf(kind, id, identifiers))
      yield* print(request, json)
    },
    asOperator,
    Effect.provide(services),
    orCommandFailed
  )
).pipe(
  Command.withDescription(
    "Erase a person from all domains and print the receipt. A worker goes on when the command is stopped"
  )
)

const eraseTenant = Command.make(
  "erase-tenant",
  { tenant: tenantArgument, json: Output.jsonFlag },
  Effect.fn(
    function* ({ json, tenant }) {
      const requests = yield* SubjectRequests
      const { requestId } = yield* requests.createForTenant(tenant).pipe(
        Effect.catchTags({
          TenantNotFound: () => Effect.fail(failed(`There is no tenant ${tenant}`)),
          TenantNotSuspended: () =>
            Effect.fail(failed(`Suspend ${tenant} first: hypermarket tenants suspend ${tenant}`))
        })
      )
      const request = yield* requests
        .finish(Tenant.system, requestId)
        .pipe(Effect.catchTag("SubjectRequestNotFound", () => Effect.fail(failed("The request is gone"))))
      yield* print(request, json)
    },
    asOperator,
    Effect.provide(services),
    orCommandFailed
  )
).pipe(Command.withDescription("Erase everything of a suspended tenant, its log and its account included"))

export const command = Command.make("subjects").pipe(
  Command.withDescription("The data of persons in the installation behind DATABASE_URL"),
  Command.withSubcommands([exportCommand, erase, eraseTenant])
)
