/** Searches with their explanation, and the parts of a text that matched. */
import { keepPreviousData, queryOptions } from "@tanstack/react-query"
import { call } from "../../api/call.ts"
import type { Success } from "../../api/Endpoints.ts"

export type Answer = Success<"POST /v1/search/indexes/:indexName/search">
export type Hit = Answer["hits"][number]
export type Index = Success<"GET /v1/search/indexes">["items"][number]
export type Version = Success<"GET /v1/search/indexes/:indexName/versions">["items"][number]

/** Sets of options that are compared side by side. */
export const variants = {
  default: { label: "As the shop searches", options: {} },
  "no-typos": { label: "No typo correction", options: { typos: false } },
  prefix: { label: "Last word still being typed", options: { prefix: true } },
  all: { label: "Only with every word", options: { match: "all" } },
  any: { label: "With any word", options: { match: "any" } }
} as const

type OptionSet = keyof typeof variants

/** A set of options, or another version than the one that answers: `version:3`. */
export type Variant = OptionSet | `version:${string}`

const isVersion = (variant: Variant): variant is `version:${string}` => variant.startsWith("version:")

const optionsOf = (variant: Variant) =>
  isVersion(variant) ? { versionId: variant.slice("version:".length) } : variants[variant].options

/** Returns the variant of an address. */
export const variantOf = (text: string | undefined): Variant | undefined =>
  text?.startsWith("version:") === true
    ? `version:${text.slice("version:".length)}`
    : variantNames.find((name) => name === text)

export const variantNames = [
  "default",
  "no-typos",
  "prefix",
  "all",
  "any"
] as const satisfies ReadonlyArray<OptionSet>

/** They are in no text of a shop: what is between them is split into elements and never parsed. */
const markBefore = "\u0001"
const markAfter = "\u0002"
const hitsMax = 12

export const search = (
  indexName: string,
  query: string,
  variant: Variant,
  filter: string | undefined,
  productId: string | undefined
) =>
  queryOptions({
    queryKey: ["search", indexName, query, variant, filter, productId],
    placeholderData: keepPreviousData,
    queryFn: async ({ signal }) => {
      const begun = performance.now()
      const answer = await call("POST /v1/search/indexes/:indexName/search", {
        params: { indexName },
        payload: {
          query,
          explain: true,
          limit: hitsMax,
          highlight: { fields: ["title"], before: markBefore, after: markAfter },
          facets: [{ column: "categories", limit: 8 }],
          ...(filter === undefined ? {} : { filter }),
          ...(productId === undefined ? {} : { productId }),
          ...optionsOf(variant)
        },
        signal
      })
      return { ...answer, millis: performance.now() - begun }
    }
  })

const entities: Readonly<Record<string, string>> = { lt: "<", gt: ">", quot: '"', "#39": "'", amp: "&" }

/** The API escapes the text around the marks for HTML; here it becomes text again. */
const plain = (text: string): string =>
  text.replaceAll(/&(lt|gt|quot|#39|amp);/g, (entity, name: string) => entities[name] ?? entity)

/** Returns the parts of a highlighted text, and which of them matched. */
export const partsOf = (text: string): ReadonlyArray<{ readonly text: string; readonly isMatch: boolean }> =>
  text.split(markBefore).flatMap((part, index) => {
    if (index === 0) return [{ text: plain(part), isMatch: false }]
    const [match = "", rest = ""] = part.split(markAfter)
    return [
      { text: plain(match), isMatch: true },
      { text: plain(rest), isMatch: false }
    ]
  })

export const hows = {
  exact: { label: "as typed", tone: "good" },
  prefix: { label: "begins with", tone: "accent" },
  typo: { label: "typo", tone: "warn" },
  split: { label: "split", tone: "accent" },
  synonym: { label: "synonym", tone: "accent" },
  joined: { label: "joined", tone: "accent" },
  unit: { label: "unit", tone: "accent" },
  unknown: { label: "no document has it", tone: "bad" }
} as const
