import { Link } from "@tanstack/react-router"
import type { KeyboardEvent, ReactNode } from "react"
import type { Raw } from "./address.ts"
import { cx } from "./Format.ts"

export interface Column<A> {
  readonly name: string
  readonly label: string
  readonly cell: (row: A) => ReactNode
  /** Numbers are at the right, so that their digits are below each other. */
  readonly right?: boolean
  readonly width?: string
}

export interface Place {
  readonly to: string
  readonly search?: Raw
}

interface Selection {
  readonly keys: ReadonlySet<string>
  readonly change: (keys: ReadonlySet<string>) => void
}

const without = (keys: ReadonlySet<string>, key: string): ReadonlySet<string> =>
  new Set([...keys].filter((existing) => existing !== key))

const rowOf = (element: Element | null): HTMLElement | null =>
  element instanceof HTMLElement ? element : null

/**
 * A table of rows that can be opened and chosen. The first cell of a row that leads somewhere is a link, so that it opens in
 * a tab too; `j`, `k` and the arrows move, `Enter` opens and `x` chooses.
 */
export function DataTable<A>({
  columns,
  current,
  keyOf,
  label,
  placeOf,
  rows,
  selection
}: {
  readonly label: string
  readonly rows: ReadonlyArray<A>
  readonly columns: ReadonlyArray<Column<A>>
  readonly keyOf: (row: A) => string
  readonly placeOf?: (row: A) => Place
  /** The key of the row that is open beside the table. */
  readonly current?: string | undefined
  readonly selection?: Selection
}) {
  const toggle = (key: string) => {
    if (selection === undefined) return
    const { change, keys } = selection
    change(keys.has(key) ? without(keys, key) : new Set([...keys, key]))
  }
  const onKeyDown = (event: KeyboardEvent<HTMLTableRowElement>, row: A) => {
    const { currentTarget, key, target } = event
    const next =
      key === "ArrowDown" || key === "j"
        ? rowOf(currentTarget.nextElementSibling)
        : key === "ArrowUp" || key === "k"
          ? rowOf(currentTarget.previousElementSibling)
          : null
    if (next !== null) {
      next.focus()
      event.preventDefault()
    } else if (key === "Enter" && target === currentTarget) {
      currentTarget.querySelector("a")?.click()
    } else if (key === "x") {
      toggle(keyOf(row))
    }
  }
  const isAll =
    selection !== undefined && rows.length > 0 && rows.every((row) => selection.keys.has(keyOf(row)))
  return (
    <div className="card overflow-x-auto">
      <table className="w-full border-collapse" aria-label={label}>
        <thead>
          <tr>
            {selection === undefined ? null : (
              <th className="th w-8">
                <input
                  type="checkbox"
                  aria-label="All rows shown"
                  checked={isAll}
                  onChange={() => selection.change(isAll ? new Set() : new Set(rows.map(keyOf)))}
                />
              </th>
            )}
            {columns.map(({ label, name, right, width }) => (
              <th
                key={name}
                scope="col"
                className={cx("th", right === true && "text-right")}
                {...(width === undefined ? {} : { style: { width } })}
              >
                {label}
              </th>
            ))}
          </tr>
        </thead>
        <tbody className="[&>tr:last-child>td]:border-b-0">
          {rows.map((row, index) => {
            const key = keyOf(row)
            const place = placeOf?.(row)
            const isChosen = selection?.keys.has(key) === true
            return (
              <tr
                key={key}
                tabIndex={index === 0 ? 0 : -1}
                aria-current={current === key ? "true" : undefined}
                onKeyDown={(event) => onKeyDown(event, row)}
                className={cx(
                  "hover:bg-hover focus-visible:bg-hover",
                  place !== undefined && "relative",
                  (isChosen || current === key) && "bg-accent-soft"
                )}
              >
                {selection === undefined ? null : (
                  <td className="td">
                    <input
                      type="checkbox"
                      className="relative z-10"
                      aria-label={`Choose ${key}`}
                      checked={isChosen}
                      onChange={() => toggle(key)}
                    />
                  </td>
                )}
                {columns.map(({ cell, name, right }, column) => (
                  <td key={name} className={cx("td", right === true && "num text-right")}>
                    {place !== undefined && column === 0 ? (
                      <Link
                        to={place.to}
                        search={place.search ?? {}}
                        className="after:absolute after:inset-0"
                        resetScroll={false}
                      >
                        {cell(row)}
                      </Link>
                    ) : (
                      cell(row)
                    )}
                  </td>
                ))}
              </tr>
            )
          })}
        </tbody>
      </table>
    </div>
  )
}

/** Loads the next page of a list. The API gives no totals, so none is shown. */
export function More({
  list
}: {
  readonly list: {
    readonly hasNextPage: boolean
    readonly isFetchingNextPage: boolean
    readonly fetchNextPage: () => unknown
  }
}) {
  if (!list.hasNextPage) return null
  return (
    <div className="mt-3 text-center">
      <button
        type="button"
        className="btn"
        disabled={list.isFetchingNextPage}
        onClick={() => void list.fetchNextPage()}
      >
        Load more
      </button>
    </div>
  )
}
