import { Check, LogOut, Moon, Plus, Server, Sun } from "lucide-react"
import type { KeyboardEvent, ReactNode } from "react"
import { systemPath, tenantPath } from "../api/base.ts"
import { Pop } from "../ui/Pop.tsx"
import { setTheme, useTheme } from "../ui/theme.ts"
import { useAccess } from "./Access.tsx"
import { AccountName, accountClass } from "./Account.tsx"
import { useLeaving } from "./leaving.ts"

function Item({ children, onClick }: { readonly onClick: () => void; readonly children: ReactNode }) {
  return (
    <button
      type="button"
      role="menuitem"
      tabIndex={-1}
      className="hover:bg-hover focus-visible:bg-hover flex w-full cursor-pointer items-center gap-2 rounded-sm px-2 py-1.5 text-left"
      onClick={({ currentTarget }) => {
        currentTarget.closest<HTMLElement>("[popover]")?.hidePopover()
        onClick()
      }}
    >
      {children}
    </button>
  )
}

/** The arrows go round, and `Tab` leaves the menu closed behind it. */
const move = (event: KeyboardEvent<HTMLDivElement>): void => {
  const { currentTarget, key } = event
  if (key === "Tab") return currentTarget.hidePopover()
  const items = [...currentTarget.querySelectorAll<HTMLElement>("[role=menuitem]")]
  const at = items.findIndex((item) => item === document.activeElement)
  const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: -1 }[key]
  if (to === undefined) return
  items.at(to % items.length)?.focus()
  event.preventDefault()
}

/** The menu of the account, which is open when it comes. */
export default function AccountMenu({ onAdd }: { readonly onAdd: () => void }) {
  const { session, tenant } = useAccess()
  const theme = useTheme()
  const leaving = useLeaving()
  return (
    <Pop
      role="menu"
      label="Account"
      align="start"
      shown={<AccountName />}
      buttonClass={accountClass}
      popupClass="floating fade w-56 p-1 text-sm"
      onKeyDown={move}
    >
      <div role="group" aria-label="Tenants of this session">
        <p className="text-soft px-2 pt-1 pb-0.5 text-xs" aria-hidden>
          Tenants of this session
        </p>
        {session.tenants.map(({ state, tenantId }) => (
          <Item
            key={tenantId}
            // A page of another tenant begins from nothing: no form and no figure of this one goes along.
            onClick={() => location.assign(`${tenantPath(tenantId)}/`)}
          >
            <span className="truncate">{tenantId}</span>
            {state === "active" ? null : <span className="text-warn text-xs">{state}</span>}
            {tenantId === tenant.tenantId ? <Check size={14} className="ml-auto" aria-label="shown" /> : null}
          </Item>
        ))}
      </div>
      <Item onClick={onAdd}>
        <Plus size={14} aria-hidden />
        Add a tenant
      </Item>
      {session.isOfSystem ? (
        <Item onClick={() => location.assign(systemPath)}>
          <Server size={14} aria-hidden />
          System
        </Item>
      ) : null}
      <div role="separator" className="bg-line my-1 h-px" />
      <Item onClick={() => setTheme(theme === "dark" ? "light" : "dark")}>
        {theme === "dark" ? <Sun size={14} aria-hidden /> : <Moon size={14} aria-hidden />}
        {theme === "dark" ? "Light theme" : "Dark theme"}
      </Item>
      <Item onClick={() => leaving.mutate()}>
        <LogOut size={14} aria-hidden />
        Sign out
      </Item>
    </Pop>
  )
}
