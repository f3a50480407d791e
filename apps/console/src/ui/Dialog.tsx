import { lazy, type ReactNode, Suspense, useState } from "react"

const DialogPopup = lazy(() => import("./DialogPopup.tsx"))

export interface Asked {
  readonly title: string
  readonly open: boolean
  readonly onClose: () => void
  readonly onAct: () => void
  /** The word on the button that acts. */
  readonly act: string
  readonly isBusy?: boolean
  readonly error?: unknown
  /** Typed by the reader before an irreversible act. */
  readonly name?: string
  readonly children?: ReactNode
}

/** Asks before something is done. What cannot be undone asks for the name of the thing. The popup is loaded when it opens. */
export function Dialog(asked: Asked) {
  const [wasOpened, setWasOpened] = useState(asked.open)
  // It stays mounted, so that the focus returns to where it was.
  if (asked.open && !wasOpened) setWasOpened(true)
  return wasOpened ? (
    <Suspense fallback={null}>
      <DialogPopup {...asked} />
    </Suspense>
  ) : null
}
