import { useQuery } from "@tanstack/react-query"
import { Search as SearchIcon, X } from "lucide-react"
import { useEffect, useState } from "react"
import { apiPathOf } from "../../api/base.ts"
import { call } from "../../api/call.ts"
import { textOf, useAddress } from "../../ui/address.ts"
import { Badge } from "../../ui/Badge.tsx"
import { after } from "../../ui/clock.ts"
import { count, counted } from "../../ui/Format.ts"
import { Page } from "../../ui/Page.tsx"
import { Bar } from "../../ui/Spark.tsx"
import { Empty, Failure, Skeleton } from "../../ui/States.tsx"
import {
  type Answer,
  hows,
  search,
  type Variant,
  variantNames,
  variantOf,
  variants,
  type Version
} from "./data.ts"
import { Hits, Sum } from "./Hits.tsx"

/** A search begins when nothing was typed for this long; the one before is aborted. */
const pauseMillis = 120
const exampleQuery = "canon coppier"

function Words({ answer, query }: { readonly answer: Answer; readonly query: string }) {
  return (
    <ul className="flex flex-wrap items-center gap-1.5" aria-label="Words of the query">
      {answer.words.map(({ end, how, start, terms }) => (
        <li
          key={start}
          className="border-line inline-flex items-center gap-1.5 rounded-md border px-1.5 py-0.5 text-xs"
        >
          <b className="font-medium">{query.slice(start, end)}</b>
          {how === "unknown" ? null : <span className="text-soft font-mono">→ {terms.join(" ")}</span>}
          <Badge tone={hows[how].tone}>{hows[how].label}</Badge>
        </li>
      ))}
    </ul>
  )
}

const outcomes = {
  found: "It is found",
  absent: "It is not in the index",
  hidden: "A rule hides it",
  filtered: "The filter leaves it out",
  excluded: "It has a word that the query excludes",
  required: "It lacks a word that the query has in quotes",
  words: "It has fewer words of the query than the documents that are found"
}

/** Why one product is found or not, and where it is. */
function Why({ product }: { readonly product: NonNullable<Answer["product"]> }) {
  const { explanation, id, missingWords, outcome, position } = product
  return (
    <div className="card mb-3 p-3 text-sm" role="status">
      <p>
        <span className="font-mono text-xs">{id}</span>: {outcomes[outcome]}
        {position === null ? "" : `, at place ${position}`}.
        {missingWords === 0 ? "" : ` ${counted(missingWords, "word")} of the query missing.`}
      </p>
      {explanation === null ? null : <Sum explanation={explanation} />}
    </div>
  )
}

function Side({
  filter,
  index,
  name,
  onOpen,
  onVariant,
  open,
  other,
  product,
  query,
  variant,
  versions
}: {
  readonly name: "A" | "B"
  readonly index: string
  readonly query: string
  readonly filter: string | undefined
  readonly product: string | undefined
  readonly versions: ReadonlyArray<Version>
  readonly variant: Variant
  readonly other: Variant
  readonly open: string | undefined
  readonly onOpen: (id: string) => void
  readonly onVariant: (variant: Variant) => void
}) {
  const answer = useQuery(search(index, query, variant, filter, product))
  const compared = useQuery(search(index, query, other, filter, product))
  return (
    <section aria-label={`Side ${name}`} className="min-w-0">
      <div className="mb-2 flex items-center gap-2">
        <span className="bg-ink text-surface grid size-5 place-items-center rounded-sm text-2xs font-bold">
          {name}
        </span>
        <select
          aria-label={`Options of side ${name}`}
          className="field h-7 text-xs"
          value={variant}
          onChange={(event) => {
            const chosen = variantOf(event.target.value)
            if (chosen !== undefined) onVariant(chosen)
          }}
        >
          <optgroup label="Options">
            {variantNames.map((known) => (
              <option key={known} value={known}>
                {variants[known].label}
              </option>
            ))}
          </optgroup>
          {versions.length === 0 ? null : (
            <optgroup label="Versions that are ready">
              {versions.map(({ versionId }) => (
                <option key={versionId} value={`version:${versionId}`}>
                  Version {versionId}
                </option>
              ))}
            </optgroup>
          )}
        </select>
        {answer.data === undefined ? null : (
          <span className="num text-soft ml-auto text-xs">
            {count(answer.data.found)} found in version {answer.data.indexVersion},{" "}
            {answer.data.millis.toFixed(0)} ms
          </span>
        )}
      </div>
      {answer.isError ? (
        <Failure error={answer.error} retry={() => void answer.refetch()} />
      ) : answer.data === undefined ? (
        <Skeleton rows={9} />
      ) : answer.data.hits.length === 0 ? (
        <Empty title="Nothing is found">
          No document has {variant === "all" ? "every word" : "a word"} of this query. A synonym of the index
          would help.
        </Empty>
      ) : (
        <>
          {answer.data.product === undefined ? null : <Why product={answer.data.product} />}
          <Hits hits={answer.data.hits} other={compared.data?.hits ?? []} open={open} onOpen={onOpen} />
        </>
      )}
    </section>
  )
}

const curlOf = (index: string, query: string): string =>
  `curl -H "Authorization: Bearer $HM_API_KEY" -H "content-type: application/json" ` +
  `${location.origin}${apiPathOf(`/v1/search/indexes/${index}/search`)} -d '${JSON.stringify({ query, explain: true }).replaceAll("'", String.raw`'\''`)}'`

/** Why a product is where it is: two sets of options beside each other, with the words and the sum of every score. */
export default function Playground() {
  const [raw, change] = useAddress()
  const query = textOf(raw, "q") ?? exampleQuery
  const index = textOf(raw, "index") ?? "products"
  const a = variantOf(textOf(raw, "a")) ?? "default"
  const b = variantOf(textOf(raw, "b")) ?? "no-typos"
  const open = textOf(raw, "hit")
  const category = textOf(raw, "category")
  const product = textOf(raw, "product")
  const filter = category === undefined ? undefined : `categories = ${JSON.stringify(category)}`
  const [typed, setTyped] = useState(query)
  const indexes = useQuery({
    queryKey: ["indexes"],
    queryFn: ({ signal }) => call("GET /v1/search/indexes", { signal })
  })
  const left = useQuery(search(index, query, a, filter, product))
  useEffect(
    () => (typed === query ? undefined : after(pauseMillis, () => change({ q: typed }))),
    [typed, query, change]
  )
  const onOpen = (id: string) => change({ hit: open === id ? undefined : id })
  const versions = useQuery({
    queryKey: ["indexes", index, "versions", "ready"],
    queryFn: async ({ signal }) => {
      const { items } = await call("GET /v1/search/indexes/:indexName/versions", {
        params: { indexName: index },
        signal
      })
      return items.filter(({ status }) => status === "ready")
    }
  })
  const side = { index, query, filter, product, open, onOpen, versions: versions.data ?? [] }
  const facet = left.data?.facets[0]
  return (
    <Page
      name="Search playground"
      lead="What a customer finds, and why it is in this order"
      actions={
        <>
          <button
            type="button"
            className="btn"
            onClick={() => void navigator.clipboard.writeText(curlOf(index, query))}
          >
            Copy as curl
          </button>
          {(indexes.data?.items.length ?? 0) < 2 ? null : (
            <select
              aria-label="Index"
              className="field"
              value={index}
              onChange={(event) => change({ index: event.target.value })}
            >
              {indexes.data?.items.map(({ indexName }) => (
                <option key={indexName}>{indexName}</option>
              ))}
            </select>
          )}
        </>
      }
    >
      <div className="card mb-4 p-3">
        <div className="relative">
          <SearchIcon size={16} className="text-faint absolute top-3 left-3" aria-hidden />
          <input
            type="search"
            aria-label="Query"
            className="field h-10 w-full pl-9 text-base"
            value={typed}
            onChange={(event) => setTyped(event.target.value)}
          />
        </div>
        <div className="mt-2.5 flex min-h-7 flex-wrap items-center gap-2">
          {left.data === undefined ? null : <Words answer={left.data} query={query} />}
          <label className="text-soft ml-auto flex items-center gap-2 text-xs">
            Why not?
            <input
              className="field h-7 w-52 font-mono text-xs"
              placeholder="The id of a product"
              defaultValue={product ?? ""}
              onChange={(event) => change({ product: event.target.value.trim() || undefined })}
            />
          </label>
          {category === undefined ? null : (
            <button
              type="button"
              className="chip bg-accent-soft text-accent-ink h-7 px-2"
              onClick={() => change({ category: undefined })}
            >
              <span className="font-normal">category</span> {category}
              <X size={12} aria-label="Remove the filter" />
            </button>
          )}
        </div>
      </div>
      <div className="grid items-start gap-4 xl:grid-cols-[minmax(0,1fr)_minmax(0,1fr)_200px]">
        <Side {...side} name="A" variant={a} other={b} onVariant={(variant) => change({ a: variant })} />
        <Side {...side} name="B" variant={b} other={a} onVariant={(variant) => change({ b: variant })} />
        <aside aria-label="Categories of side A">
          <p className="text-soft mb-2 flex h-7 items-center text-xs font-medium">Categories of A</p>
          <ul className="space-y-1.5">
            {facet?.values.map(({ count: documents, value }) => (
              <li key={String(value)}>
                <button
                  type="button"
                  className="hover:text-accent-ink w-full text-left text-xs"
                  onClick={() => change({ category: String(value), hit: undefined })}
                >
                  <span className="mb-0.5 flex justify-between gap-2">
                    <span className="truncate">{String(value)}</span>
                    <span className="num text-soft">{documents}</span>
                  </span>
                  <Bar share={documents / Math.max(1, ...facet.values.map((item) => item.count))} />
                </button>
              </li>
            ))}
          </ul>
        </aside>
      </div>
    </Page>
  )
}
