import type { ReactNode } from "react"
import { PageLink } from "./PageLink.tsx"

/** The title of a page about one thing: the list that it is in, its name, and its state. */
export function Crumbs({
  children,
  list,
  name,
  to
}: {
  readonly to: string
  readonly list: string
  readonly name: string
  readonly children?: ReactNode
}) {
  return (
    <>
      <PageLink to={to} className="text-soft hover:text-ink">
        {list}
      </PageLink>
      <span className="text-faint" aria-hidden>
        /
      </span>
      <span className="truncate">{name}</span>
      {children}
    </>
  )
}
