import * as CoreDomain from "@hypermarket/core/CoreDomain"
import * as Database from "@hypermarket/core/Database"
import * as Migrations from "@hypermarket/core/Migrations"
import { provide, TenantId } from "@hypermarket/core/Tenant"
import * as Wakeup from "@hypermarket/core/Wakeup"
import { ErrorProjects } from "@hypermarket/observability/ErrorProjects"
import { Issues } from "@hypermarket/observability/Issues"
import * as ObservabilityDomain from "@hypermarket/observability/ObservabilityDomain"
import { Console, Effect, Layer } from "effect"

const migrate = Effect.flatMap(Database.options, (options) =>
  Migrations.run([CoreDomain.migrations, ObservabilityDomain.domain.migrations], options.schema).pipe(
    Effect.provide(Database.layerDirect(options))
  )
)

const services = ObservabilityDomain.layer.pipe(
  Layer.provide(Wakeup.layerSend),
  Layer.provide(Database.layerConfig)
)

const triage = Effect.gen(function* () {
  const projects = yield* ErrorProjects
  const issues = yield* Issues

  const { projectId } = yield* projects.create({ slug: "shop" })
  yield* Console.log(`The DSN is https://<client key>@api.example/sentry/${projectId}`)

  const { items } = yield* issues.list({ status: "unresolved", sort: "users" })
  for (const issue of items) {
    yield* Console.log(issue.title, issue.eventCount, issue.userCount)
    yield* issues.resolve(issue.issueId, { in: "next release" })
  }
}).pipe(provide(TenantId.make("acme")), Effect.provide(services))

await Effect.runPromise(Effect.andThen(migrate, triage))
