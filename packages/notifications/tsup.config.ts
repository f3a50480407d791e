import { library } from "@hypermarket/tsconfig/tsup"
import { defineConfig } from "tsup"

// The compiler's thread is started by its file.
export default defineConfig({ ...library, entry: ["src/*.ts", "src/internal/template/mjmlThread.ts"] })
