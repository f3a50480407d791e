/** Uploads that are made by hand: zips with a manifest, in chunks. */
import { provide, TenantId } from "@hypermarket/core/Tenant"
import * as SourceMaps from "@hypermarket/observability/SourceMaps"
import { Effect } from "effect"
import { zipSync } from "fflate"
import { createHash } from "node:crypto"

export interface UploadFile {
  readonly name: string
  readonly type: "source_map" | "minified_source"
  readonly debugId: string
  readonly content: string | Uint8Array
}

/** A debug id with a number. */
export const idOf = (index: number): string =>
  `0000${index.toString(16).padStart(4, "0")}-0000-4000-8000-000000000000`

const bytesOf = (content: string | Uint8Array): Uint8Array =>
  typeof content === "string" ? new TextEncoder().encode(content) : content

/** The manifest of files. */
export const manifestOf = (files: ReadonlyArray<Omit<UploadFile, "content">>): string =>
  JSON.stringify({
    files: Object.fromEntries(
      files.map(({ debugId, name, type }) => [
        name,
        { type, url: `~/${name}`, headers: { "debug-id": debugId } }
      ])
    )
  })

export const zipOf = (files: ReadonlyArray<UploadFile>): Uint8Array =>
  zipSync(
    Object.fromEntries([
      ["manifest.json", bytesOf(manifestOf(files))],
      ...files.map(({ content, name }) => [name, bytesOf(content)] as const)
    ]),
    { level: 1 }
  )

const sha1 = (bytes: Uint8Array): string => createHash("sha1").update(bytes).digest("hex")

/** Sends the chunks of an upload, and has it assembled. */
export const upload = Effect.fnUntraced(function* (
  tenant: string,
  bytes: Uint8Array,
  projects: ReadonlyArray<string> = ["shop"]
) {
  const service = yield* SourceMaps.SourceMaps
  const chunks: Array<SourceMaps.Chunk> = []
  for (let at = 0; at < bytes.length; at += SourceMaps.chunkBytes) {
    const payload = bytes.slice(at, at + SourceMaps.chunkBytes)
    chunks.push({ checksum: sha1(payload), payload })
  }
  const as = provide(TenantId.make(tenant))
  yield* service.store(chunks).pipe(as)
  return yield* service
    .assemble({
      checksum: sha1(bytes),
      chunks: chunks.map(({ checksum }) => checksum),
      projects,
      release: undefined
    })
    .pipe(as)
})

/** A map whose script has the functions of the source on the same lines. */
export const mapOf = (source: string, lines: number): string =>
  JSON.stringify({
    version: 3,
    sources: [source],
    names: [],
    sourcesContent: [Array.from({ length: lines }, (_, line) => `line ${line + 1} of ${source}`).join("\n")],
    mappings: ["AAAA", ...Array.from({ length: lines - 1 }, () => "AACA")].join(";")
  })
