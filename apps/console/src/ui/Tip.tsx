import { Tooltip } from "@base-ui/react/tooltip"
import type { ReactNode } from "react"

/** Shows more about a thing while it is pointed at or has the focus. */
export function Tip({ children, text }: { readonly text: ReactNode; readonly children: ReactNode }) {
  return (
    <Tooltip.Root>
      <Tooltip.Trigger render={<span className="inline-flex" />}>{children}</Tooltip.Trigger>
      <Tooltip.Portal>
        <Tooltip.Positioner sideOffset={6} className="z-50">
          <Tooltip.Popup className="floating fade max-w-80 px-2 py-1 text-xs">{text}</Tooltip.Popup>
        </Tooltip.Positioner>
      </Tooltip.Portal>
    </Tooltip.Root>
  )
}
