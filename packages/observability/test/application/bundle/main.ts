import * as Sentry from "@sentry/node"
import { Till } from "./till.ts"

Sentry.init({ dsn: process.env["SHOP_DSN"] ?? "", release: process.env["SHOP_RELEASE"] ?? "" })
await new Till().charge().catch((error: unknown) => Sentry.captureException(error))
process.exit((await Sentry.flush(10_000)) ? 0 : 1)
