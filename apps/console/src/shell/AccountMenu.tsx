import { Menu } from "@base-ui/react/menu"
import { useMutation, useQueryClient } from "@tanstack/react-query"
import { Check, LogOut, Moon, Plus, Server, Sun } from "lucide-react"
import { consolePath, systemPath, tenantPath } from "../api/base.ts"
import { signOut } from "../api/session.ts"
import { forgetTheme, setTheme, useTheme } from "../ui/theme.ts"
import { useAccess } from "./Access.tsx"
import { AccountName, accountClass } from "./Account.tsx"

const itemClass = "flex cursor-pointer items-center gap-2 rounded-sm px-2 py-1.5 data-highlighted:bg-hover"

/** The menu of the account, which is open when it comes. */
export default function AccountMenu({ onAdd }: { readonly onAdd: () => void }) {
  const { session, tenant } = useAccess()
  const theme = useTheme()
  const queries = useQueryClient()
  const leaving = useMutation({
    mutationFn: signOut,
    onSuccess: () => {
      forgetTheme()
      queries.clear()
      location.assign(consolePath)
    }
  })
  return (
    <Menu.Root defaultOpen>
      <Menu.Trigger className={accountClass}>
        <AccountName />
      </Menu.Trigger>
      <Menu.Portal>
        <Menu.Positioner align="start" sideOffset={4} className="z-50">
          <Menu.Popup className="floating fade w-56 p-1 text-sm">
            <Menu.Group>
              <Menu.GroupLabel className="text-soft px-2 pt-1 pb-0.5 text-xs">
                Tenants of this session
              </Menu.GroupLabel>
              {session.tenants.map(({ state, tenantId }) => (
                <Menu.Item
                  key={tenantId}
                  className={itemClass}
                  // A page of another tenant begins from nothing: no form and no figure of this one goes along.
                  onClick={() => location.assign(`${tenantPath(tenantId)}/`)}
                >
                  <span className="truncate">{tenantId}</span>
                  {state === "active" ? null : <span className="text-warn text-xs">{state}</span>}
                  {tenantId === tenant.tenantId ? (
                    <Check size={14} className="ml-auto" aria-label="shown" />
                  ) : null}
                </Menu.Item>
              ))}
            </Menu.Group>
            <Menu.Item className={itemClass} onClick={onAdd}>
              <Plus size={14} aria-hidden />
              Add a tenant
            </Menu.Item>
            {session.isOfSystem ? (
              <Menu.Item className={itemClass} onClick={() => location.assign(systemPath)}>
                <Server size={14} aria-hidden />
                System
              </Menu.Item>
            ) : null}
            <Menu.Separator className="bg-line my-1 h-px" />
            <Menu.Item className={itemClass} onClick={() => setTheme(theme === "dark" ? "light" : "dark")}>
              {theme === "dark" ? <Sun size={14} aria-hidden /> : <Moon size={14} aria-hidden />}
              {theme === "dark" ? "Light theme" : "Dark theme"}
            </Menu.Item>
            <Menu.Item className={itemClass} onClick={() => leaving.mutate()}>
              <LogOut size={14} aria-hidden />
              Sign out
            </Menu.Item>
          </Menu.Popup>
        </Menu.Positioner>
      </Menu.Portal>
    </Menu.Root>
  )
}
