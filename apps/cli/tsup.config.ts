import { app } from "@hypermarket/tsconfig/tsup"
import { defineConfig } from "tsup"
import { cpSync, existsSync, rmSync } from "node:fs"

const built = "../console/dist"

// The private packages go in; the published domains and effect stay dependencies.
export default defineConfig({
  ...app,
  entry: ["src/main.ts", "src/quickstart/orderWorkerMain.ts", "src/quickstart/workerMain.ts"],
  noExternal: [/^@hypermarket\/(api|worker|installation|embedded-postgres)(\/|$)/],
  // The API finds the console's files beside the bundle.
  onSuccess: async () => {
    rmSync("dist/console", { recursive: true, force: true })
    if (existsSync(built)) {
      cpSync(built, "dist/console", { recursive: true, filter: (name) => !name.endsWith("/.vite") })
    }
  }
})
