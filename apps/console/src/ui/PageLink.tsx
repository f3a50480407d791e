import { Link } from "@tanstack/react-router"
import type { ReactNode } from "react"
import type { Raw } from "./address.ts"

/** Links to a page of this tenant. It is loaded while the pointer comes near. */
export function PageLink({
  children,
  className,
  label,
  search,
  to
}: {
  readonly to: string
  readonly search?: Raw
  readonly className?: string
  readonly label?: string
  readonly children: ReactNode
}) {
  return (
    <Link to={to} search={search ?? {}} className={className} aria-label={label}>
      {children}
    </Link>
  )
}
