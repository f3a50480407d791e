import { app } from "@hypermarket/tsconfig/tsup"
import { defineConfig } from "tsup"

// The private packages go in; the published domains and effect stay dependencies.
export default defineConfig({
  ...app,
  noExternal: [/^@hypermarket\/(api|worker|installation|embedded-postgres)(\/|$)/]
})
