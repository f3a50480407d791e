/**
 * Writes the address of the repository into the manifests of the root and of every published package:
 * `pnpm repository https://host/owner/name`. `pnpm format` comes after it.
 */
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Main from "@hypermarket/core/Main"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Schema from "effect/Schema"
import * as Path from "node:path"
import * as RepositoryAddress from "./RepositoryAddress.ts"

const root = Path.resolve(import.meta.dirname, "../../..")

const Manifest = Schema.fromJsonString(Schema.Record(Schema.String, Schema.Unknown))

const program = Effect.gen(function* () {
  const fs = yield* FileSystem.FileSystem
  const address = process.argv[2] ?? ""
  const write = Effect.fnUntraced(function* (folder: string | undefined) {
    const file = Path.join(root, folder ?? "", "package.json")
    const manifest = yield* Schema.decodeEffect(Manifest)(yield* fs.readFileString(file))
    if (folder !== undefined && manifest["private"] === true) return
    const written = RepositoryAddress.withAddress(manifest, address, folder)
    yield* fs.writeFileString(file, `${JSON.stringify(written, null, 2)}\n`)
    yield* Console.log(file)
  })
  yield* write(undefined)
  for (const parent of ["packages", "apps"]) {
    for (const name of (yield* fs.readDirectory(`${root}/${parent}`)).toSorted()) {
      if (yield* fs.exists(`${root}/${parent}/${name}/package.json`)) yield* write(`${parent}/${name}`)
    }
  }
})

Main.run(program.pipe(Effect.provide(NodeServices.layer)))
