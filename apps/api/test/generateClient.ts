/** Writes the generated files of `@hypermarket/client`. Run by `pnpm generate`, after a change of endpoints or schemas. */
import * as OpenApi from "effect/http-api/OpenApi"
import { writeFileSync } from "node:fs"
import { Api } from "@hypermarket/api/endpoints"
import * as ClientSource from "./ClientSource.ts"

const folder = `${import.meta.dirname}/../../../packages/client/src/internal`

for (const [name, text] of Object.entries(ClientSource.make({ ...OpenApi.fromApi(Api) }))) {
  writeFileSync(`${folder}/${name}`, text)
}
