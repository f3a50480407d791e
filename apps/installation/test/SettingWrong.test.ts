import { assert, describe, it } from "@effect/vitest"
import * as OutboundAddress from "@hypermarket/core/OutboundAddress"
import * as SettingWrong from "@hypermarket/installation/SettingWrong"
import { Config, ConfigProvider, Effect, Option } from "effect"

/** The sentence about a setting with this value. */
const textOf = <A>(config: Config.Config<A>, environment: Readonly<Record<string, string>>) =>
  Effect.map(Effect.flip(config.parse(ConfigProvider.fromUnknown(environment))), (error) =>
    SettingWrong.textOf(error, environment)
  )

const allow = Option.fromUndefinedOr(
  OutboundAddress.settings.find(({ name }) => name === "HM_OUTBOUND_ALLOW")
)

describe("the sentence about a wrong setting", () => {
  it.effect("has one example, of the form that the setting has", () =>
    Effect.gen(function* () {
      const { config } = yield* Effect.fromOption(allow)
      assert.strictEqual(
        yield* textOf(config, { HM_OUTBOUND_ALLOW: "127.0.0.0/8" }),
        "HM_OUTBOUND_ALLOW is wrong. Expected a list of cidr:port, such as 127.0.0.1/32:9000,[fd00::]/8:443"
      )
      assert.strictEqual(
        yield* textOf(Config.Port("HM_API_PORT"), { HM_API_PORT: "eighty" }),
        'HM_API_PORT is wrong. Expected a string representing a finite number, for example HM_API_PORT="8080"'
      )
    })
  )
})
