import type { ReactNode } from "react"
import { useMay } from "../shell/Access.tsx"
import { cx } from "./Format.ts"

/** A button that needs a scope. Without the scope it is there, off, and says which. */
export function Act({
  children,
  disabled = false,
  onClick,
  primary = false,
  scope
}: {
  readonly scope: string
  readonly onClick: () => void
  readonly disabled?: boolean
  readonly primary?: boolean
  readonly children: ReactNode
}) {
  const may = useMay(scope)
  return (
    <button
      type="button"
      className={cx("btn", primary && "btn-primary")}
      disabled={disabled || !may}
      title={may ? undefined : `The session's key lacks the scope ${scope}`}
      onClick={onClick}
    >
      {children}
    </button>
  )
}
