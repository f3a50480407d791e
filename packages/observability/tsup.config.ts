import { library } from "@hypermarket/tsconfig/tsup"
import { defineConfig } from "tsup"

// The reader's thread is started by its file.
export default defineConfig({ ...library, entry: ["src/*.ts", "src/internal/readerThread.ts"] })
