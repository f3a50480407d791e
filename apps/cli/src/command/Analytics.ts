/** `hypermarket analytics`: repair of figures. */
import type { FactsRemoved } from "@hypermarket/analytics/OrderRetention"
import { OrderSummaries } from "@hypermarket/analytics/OrderSummaries"
import { OrderZones } from "@hypermarket/analytics/OrderZones"
import { ZoneName } from "@hypermarket/analytics/OrderZone"
import * as Database from "@hypermarket/core/Database"
import { provide } from "@hypermarket/core/Tenant"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { type CommandFailed, failed, orCommandFailed } from "../CommandFailed.ts"
import * as Output from "../Output.ts"
import { tenantArgument } from "./Tenants.ts"

const services = Layer.unwrap(
  Effect.map(Database.options, (options) =>
    OrderZones.layerNoDeps.pipe(
      Layer.provideMerge(OrderSummaries.layer),
      Layer.provide(Database.layer(options, "hypermarket-cli"))
    )
  )
)

const Month = Schema.String.check(
  Schema.isPattern(/^(19[7-9]\d|20\d\d)-(0[1-9]|1[0-2])$/, { message: "Expected a month, such as 2026-03" })
)

const monthArgument = Argument.String("month").pipe(
  Argument.withDescription("The month in the tenant's zone, such as 2026-03"),
  Argument.withSchema(Month)
)

const factsRemoved =
  (tenant: string) =>
  ({ before }: FactsRemoved): Effect.Effect<never, CommandFailed> =>
    Effect.fail(failed(`The facts of ${tenant} before ${before} were removed and cannot be computed again`))

const rebuild = Command.make(
  "rebuild",
  { tenant: tenantArgument, month: monthArgument, json: Output.jsonFlag },
  Effect.fn(
    function* ({ json, month, tenant }) {
      const summaries = yield* OrderSummaries
      const cells = yield* summaries
        .rebuild(`${month}-01`)
        .pipe(provide(tenant), Effect.catchTag("FactsRemoved", factsRemoved(tenant)))
      yield* json
        ? Output.json({ tenantId: tenant, month, cells })
        : Console.log(
            cells === 0
              ? `Every figure of ${tenant} in ${month} is what its facts give`
              : `Corrected ${cells} cells of ${tenant} in ${month}`
          )
    },
    Effect.provide(services),
    orCommandFailed
  )
).pipe(Command.withDescription("Make the figures of a month what its facts give, while orders are written"))

const correctZone = Command.make(
  "correct-zone",
  {
    tenant: tenantArgument,
    zone: Argument.String("zone").pipe(
      Argument.withDescription("The time zone, such as Europe/Berlin"),
      Argument.withSchema(ZoneName)
    ),
    seller: Flag.String("seller").pipe(
      Flag.withDescription("The seller whose days begin in it; the tenant's by default"),
      Flag.optional
    )
  },
  Effect.fn(
    function* ({ seller, tenant, zone }) {
      const zones = yield* OrderZones
      yield* Option.match(seller, {
        onNone: () => zones.correctZone(zone),
        onSome: (sellerId) => zones.correctSellerZone(sellerId, zone)
      }).pipe(
        provide(tenant),
        Effect.catchTag("FactsRemoved", factsRemoved(tenant)),
        Effect.catchTag("ZoneUnknown", () => Effect.fail(failed(`The database knows no time zone ${zone}`)))
      )
      yield* Console.log(`Days begin in ${zone}; every figure of ${tenant} was computed again`)
    },
    Effect.provide(services),
    orCommandFailed
  )
).pipe(Command.withDescription("Replace a time zone although orders have days of another one"))

export const command = Command.make("analytics").pipe(
  Command.withDescription("Repair the figures of sales"),
  Command.withSubcommands([rebuild, correctZone])
)
