import { ArrowDown, ArrowUp, Equal } from "lucide-react"
import { Badge } from "../../ui/Badge.tsx"
import { cx, money } from "../../ui/Format.ts"
import { type Hit, hows, partsOf } from "./data.ts"

type Explanation = NonNullable<Hit["explanation"]>

const scoreDigits = 3

function Marked({ text }: { readonly text: string }) {
  return partsOf(text).map((part, index) =>
    part.isMatch ? (
      <em key={index} className="hl not-italic">
        {part.text}
      </em>
    ) : (
      part.text
    )
  )
}

/** The sum that the score is: points per word, times the share of words found, times popularity. */
export function Sum({ explanation, top }: { readonly explanation: Explanation; readonly top?: number }) {
  const { boost, popularity, score, share, words } = explanation
  const whole =
    top ??
    Math.max(
      Number.EPSILON,
      words.reduce((sum, word) => sum + word.score, 0)
    )
  return (
    <div className="bg-sunken mt-2 rounded-md p-2.5 text-xs">
      <div className="bg-line mb-2 flex h-2.5 overflow-hidden rounded-full" aria-hidden>
        {words.map(({ score: points, word }, index) => (
          <span
            key={word}
            style={{
              width: `${(points / whole) * 100}%`,
              background: `color-mix(in oklch, var(--accent) ${Math.max(100 - index * 28, 20)}%, var(--surface))`
            }}
          />
        ))}
      </div>
      <table className="w-full">
        <caption className="sr-only">How the score is made</caption>
        <tbody>
          {words.map(({ how, score: points, terms, word }) => (
            <tr key={word}>
              <th scope="row" className="py-0.5 text-left font-normal">
                <b className="font-medium">{word}</b> <span className="text-soft">→ {terms.join(", ")}</span>
              </th>
              <td>
                <Badge tone={hows[how].tone}>{hows[how].label}</Badge>
              </td>
              <td className="num text-right font-mono">{points.toFixed(scoreDigits)}</td>
            </tr>
          ))}
          <tr>
            <th scope="row" colSpan={2} className="text-soft py-0.5 text-left font-normal">
              Share of the words found
            </th>
            <td className="num text-right font-mono">× {share.toFixed(scoreDigits)}</td>
          </tr>
          <tr>
            <th scope="row" colSpan={2} className="text-soft py-0.5 text-left font-normal">
              Popularity
            </th>
            <td className="num text-right font-mono">× {popularity.toFixed(scoreDigits)}</td>
          </tr>
          {boost === 1 ? null : (
            <tr>
              <th scope="row" colSpan={2} className="text-soft py-0.5 text-left font-normal">
                Rules that boost it
              </th>
              <td className="num text-right font-mono">× {boost.toFixed(scoreDigits)}</td>
            </tr>
          )}
          <tr className="border-line-strong border-t">
            <th scope="row" colSpan={2} className="py-0.5 text-left font-medium">
              Score
            </th>
            <td className="num text-right font-mono font-semibold">{score.toFixed(scoreDigits)}</td>
          </tr>
        </tbody>
      </table>
    </div>
  )
}

function Move({ place, was }: { readonly place: number; readonly was: number }) {
  if (was === -1) return <Badge tone="accent">new</Badge>
  const moved = was - place
  if (moved === 0) return <Equal size={13} className="text-faint" role="img" aria-label="The same place" />
  return (
    <span
      className={cx("num inline-flex items-center text-xs font-medium", moved > 0 ? "text-good" : "text-bad")}
    >
      {moved > 0 ? <ArrowUp size={12} aria-label="Up" /> : <ArrowDown size={12} aria-label="Down" />}
      {Math.abs(moved)}
    </span>
  )
}

const priceOf = ({ fields }: Hit): string => {
  const { currency, price } = fields
  return typeof price === "number" && typeof currency === "string"
    ? money({ amount: String(price), currency })
    : ""
}

const categoryOf = ({ fields }: Hit): string => {
  const { categories } = fields
  return Array.isArray(categories) && typeof categories[0] === "string" ? categories[0] : ""
}

const titleOf = ({ fields, highlights, id }: Hit): string =>
  highlights?.["title"] ?? (typeof fields["title"] === "string" ? fields["title"] : id)

/** The hits of one side, with the move of each against the other side. */
export function Hits({
  hits,
  onOpen,
  open,
  other
}: {
  readonly hits: ReadonlyArray<Hit>
  readonly other: ReadonlyArray<Hit>
  readonly open: string | undefined
  readonly onOpen: (id: string) => void
}) {
  const top = Math.max(
    Number.EPSILON,
    ...hits.map(({ explanation }) => explanation?.words.reduce((sum, { score }) => sum + score, 0) ?? 0)
  )
  return (
    <ol className="card divide-line divide-y">
      {hits.map((hit, place) => (
        <li key={hit.id} className="px-3 py-2">
          <button
            type="button"
            aria-expanded={open === hit.id}
            onClick={() => onOpen(hit.id)}
            className="grid w-full grid-cols-[22px_minmax(0,1fr)_auto_52px] items-center gap-2 text-left text-sm"
          >
            <span className="num text-soft text-right text-xs">{place + 1}</span>
            <span className="min-w-0">
              <span className="block truncate font-medium">
                <Marked text={titleOf(hit)} />
              </span>
              <span className="text-soft block truncate text-xs">
                {[categoryOf(hit), priceOf(hit)].filter((text) => text !== "").join(" · ")}
              </span>
            </span>
            {other.length === 0 ? (
              <span />
            ) : (
              <Move place={place} was={other.findIndex(({ id }) => id === hit.id)} />
            )}
            <span className="num text-soft text-right font-mono text-xs">{hit.score.toFixed(2)}</span>
          </button>
          {open === hit.id && hit.explanation !== undefined ? (
            <div className="ml-7">
              <Sum explanation={hit.explanation} top={top} />
            </div>
          ) : null}
        </li>
      ))}
    </ol>
  )
}
