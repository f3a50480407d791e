/** `hypermarket api` and `hypermarket worker`: the service processes. */
import * as Server from "@hypermarket/api/Server"
import * as Main from "@hypermarket/core/Main"
import * as Worker from "@hypermarket/worker/Worker"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import { orCommandFailed } from "../CommandFailed.ts"

const withoutConsole = Effect.updateService(ConfigProvider.ConfigProvider, (environment) =>
  ConfigProvider.orElse(ConfigProvider.fromUnknown({ HM_CONSOLE_ENABLED: "false" }), environment)
)

export const api = Command.make(
  "api",
  {
    console: Flag.Boolean("console").pipe(
      Flag.withDescription("Serve the console; --no-console is HM_CONSOLE_ENABLED=false"),
      Flag.withDefault(true)
    )
  },
  ({ console }) => {
    const served = Main.launch(Server.service)
    return orCommandFailed(console ? served : withoutConsole(served))
  }
).pipe(
  Command.withDescription("Run the HTTP API on HM_API_PORT. Migrates first, unless HM_MIGRATE_ON_START=false")
)

export const worker = Command.make("worker", {}, () => orCommandFailed(Main.launch(Worker.service))).pipe(
  Command.withDescription("Run the background worker; its /health/* and /metrics are on HM_WORKER_PORT")
)
