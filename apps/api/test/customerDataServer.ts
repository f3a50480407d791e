/** The API with a database, secrets and a time that tests move. */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as Server from "@hypermarket/api/Server"
import * as Now from "@hypermarket/core/Now"
import { Shutdown } from "@hypermarket/core/Shutdown"
import * as Wakeup from "@hypermarket/core/Wakeup"
import * as EventsDomain from "@hypermarket/events/EventsDomain"
import { migrationSets } from "@hypermarket/installation/domains"
import * as PlatformDomain from "@hypermarket/platform/PlatformDomain"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { ConfigProvider, Layer } from "effect"
import { randomBytes } from "node:crypto"

const layerConfig = ConfigProvider.layer(
  ConfigProvider.fromUnknown({
    HM_API_ACCESS_LOG: "false",
    HM_SECRETS_KEYS: `withheld:${randomBytes(32).toString("base64")}`
  })
)

export const TestServer = Server.layerRoutes(Layer.empty).pipe(
  Layer.provide([Shutdown.layer, layerConfig]),
  Layer.provideMerge(Layer.provide(Layer.merge(PlatformDomain.layer, EventsDomain.layer), layerConfig)),
  Layer.provide(Wakeup.layerSend),
  Layer.provideMerge(Now.layerTest),
  Layer.provideMerge(TestDatabase.layer(...migrationSets)),
  Layer.provideMerge(NodeHttpServer.layerTest)
)
