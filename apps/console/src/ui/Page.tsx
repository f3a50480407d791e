import { type ReactNode, useEffect } from "react"

/** A page: its title, which is the document's too, a sentence, and what can be done on it. */
export function Page({
  actions,
  children,
  lead,
  name,
  title
}: {
  /** The page's name in the tab of the browser. */
  readonly name: string
  readonly title?: ReactNode
  readonly lead?: ReactNode
  readonly actions?: ReactNode
  readonly children: ReactNode
}) {
  useEffect(() => {
    document.title = `${name} · Hypermarket`
  }, [name])
  return (
    <div className="mx-auto w-full max-w-[1240px] px-7 pt-6 pb-16">
      <header className="mb-5 flex min-h-9 flex-wrap items-start justify-between gap-x-6 gap-y-2">
        <div className="min-w-0">
          <h1 className="flex min-w-0 items-center gap-2.5">{title ?? name}</h1>
          {lead === undefined ? null : <p className="text-soft mt-0.5 text-sm">{lead}</p>}
        </div>
        <div className="flex flex-wrap items-center gap-2">{actions}</div>
      </header>
      {children}
    </div>
  )
}

/** A part of a page with its heading. */
export function Section({
  children,
  note,
  side,
  title
}: {
  readonly title: string
  readonly note?: ReactNode
  readonly side?: ReactNode
  readonly children: ReactNode
}) {
  return (
    <section className="mt-7">
      <div className="mb-2.5 flex min-h-7 flex-wrap items-center gap-3">
        <h2>{title}</h2>
        {note === undefined ? null : <span className="text-soft text-xs">{note}</span>}
        {side === undefined ? null : <span className="ml-auto flex items-center gap-2">{side}</span>}
      </div>
      {children}
    </section>
  )
}
