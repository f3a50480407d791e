/** `pnpm soak <name>`: without a name it shows all soaks with their options. */
import * as Main from "@hypermarket/core/Main"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import * as AnalyticsSoak from "./analytics/AnalyticsSoak.ts"
import * as ApiSoak from "./api/ApiSoak.ts"
import * as AuditSoak from "./audit/AuditSoak.ts"
import * as ErrorSoak from "./errors/ErrorSoak.ts"
import * as EventSoak from "./EventSoak.ts"
import * as NotificationSoak from "./notifications/NotificationSoak.ts"
import * as QuotaSoak from "./quotas/QuotaSoak.ts"
import * as SearchSoak from "./search/SearchSoak.ts"
import * as SoakProgram from "./SoakProgram.ts"
import * as WebhookSoak from "./webhooks/WebhookSoak.ts"
import * as WorkflowSoak from "./workflows/WorkflowSoak.ts"

const programs = [
  AnalyticsSoak.program,
  ApiSoak.program,
  AuditSoak.program,
  ErrorSoak.program,
  EventSoak.program,
  NotificationSoak.program,
  QuotaSoak.program,
  SearchSoak.program,
  WebhookSoak.program,
  WorkflowSoak.program
]

/** Standard output is the document's. */
const toStandardError = Logger.layer([
  Logger.make((entry) => void process.stderr.write(`${Logger.formatLogFmt.log(entry)}\n`))
])

Main.run(
  SoakProgram.choose(programs, process.argv.slice(2)).pipe(Effect.scoped, Effect.provide(toStandardError))
)
