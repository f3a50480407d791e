import { ChevronsUpDown } from "lucide-react"
import { lazy, Suspense, useState } from "react"
import { useAccess } from "./Access.tsx"
import { Mark } from "./Mark.tsx"

const load = () => import("./AccountMenu.tsx")
const AccountMenu = lazy(load)

export const accountClass = "hover:bg-hover flex w-full items-center gap-2.5 rounded-md p-1.5 text-left"

export function AccountName() {
  const { tenant } = useAccess()
  return (
    <>
      <Mark className="size-7 shrink-0" />
      <span className="min-w-0 leading-tight">
        <span className="block truncate text-sm font-semibold">{tenant.tenantId}</span>
        <span className="text-soft block text-2xs">
          {tenant.scopes.length} {tenant.scopes.length === 1 ? "scope" : "scopes"}
        </span>
      </span>
      <ChevronsUpDown size={14} className="text-soft ml-auto" aria-hidden />
    </>
  )
}

/** The tenant of the page. Its menu is loaded when the pointer or the focus comes near. */
export function Account({ onAdd }: { readonly onAdd: () => void }) {
  const [isOpened, setOpened] = useState(false)
  const button = (
    <button
      type="button"
      className={accountClass}
      aria-haspopup="menu"
      aria-expanded={false}
      onPointerEnter={() => void load()}
      onFocus={() => void load()}
      onClick={() => setOpened(true)}
    >
      <AccountName />
    </button>
  )
  return isOpened ? (
    <Suspense fallback={button}>
      <AccountMenu onAdd={onAdd} />
    </Suspense>
  ) : (
    button
  )
}
