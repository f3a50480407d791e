import { lazy, type ReactNode, Suspense, useEffect, useRef, useState } from "react"
import { after } from "./clock.ts"

const load = () => import("./TipPopup.tsx")
const TipPopup = lazy(load)

/** A pointer that only passes shows nothing. */
const delayMillis = 300

/** Shows more about a thing while it is pointed at. The popup is loaded when the pointer comes for the first time. */
export function Tip({ children, text }: { readonly text: string; readonly children: ReactNode }) {
  const [anchor, setAnchor] = useState<Element>()
  const stop = useRef<() => void>(undefined)
  const close = () => {
    stop.current?.()
    setAnchor(undefined)
  }
  useEffect(() => () => stop.current?.(), [])
  return (
    <>
      <span
        className="inline-flex"
        onPointerEnter={({ currentTarget }) => {
          void load()
          stop.current = after(delayMillis, () => setAnchor(currentTarget))
        }}
        onPointerLeave={close}
      >
        {children}
      </span>
      {anchor === undefined ? null : (
        <Suspense fallback={null}>
          <TipPopup anchor={anchor} text={text} onClose={close} />
        </Suspense>
      )}
    </>
  )
}
