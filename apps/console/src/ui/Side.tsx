import { X } from "lucide-react"
import type { ReactNode } from "react"

/** One row of a table, in full, beside the table. */
export function Side({
  children,
  label,
  onClose,
  title
}: {
  readonly label: string
  readonly title: ReactNode
  readonly onClose: () => void
  readonly children: ReactNode
}) {
  return (
    <aside className="card sticky top-4 max-h-[calc(100vh-2rem)] overflow-y-auto" aria-label={label}>
      <div className="border-line flex items-start gap-2 border-b p-4">
        <div className="min-w-0">{title}</div>
        <button
          type="button"
          className="btn btn-quiet ml-auto size-7 justify-center px-0"
          aria-label="Close"
          onClick={onClose}
        >
          <X size={15} aria-hidden />
        </button>
      </div>
      <div className="p-4">{children}</div>
    </aside>
  )
}
