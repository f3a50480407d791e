import { cx } from "./Format.ts"
import {
  type KeyboardEvent,
  type ReactNode,
  type Ref,
  type ToggleEvent,
  useEffect,
  useId,
  useRef,
  useState
} from "react"

/** Between the button and what it opens, and between that and the window's edge, in pixels. */
const gap = 6
const edge = 8

interface Point {
  readonly top: number
  readonly left: number
}

/** Below the button, within the window; above it where there is no room below. */
const placeOf = (button: Element, popup: HTMLElement, align: "start" | "end"): Point => {
  const { bottom, left, right, top } = button.getBoundingClientRect()
  const { offsetHeight: height, offsetWidth: width } = popup
  const wanted = align === "start" ? left : right - width
  const isRoomBelow = bottom + gap + height + edge <= innerHeight
  return {
    left: Math.max(edge, Math.min(wanted, innerWidth - width - edge)),
    top: Math.max(edge, isRoomBelow ? bottom + gap : top - gap - height)
  }
}

/**
 * A button and what it opens above the page, open when it comes. The browser's own popover closes it by a click elsewhere and
 * by `Esc`, and gives the focus back.
 */
export function Pop({
  align,
  buttonClass,
  children,
  label,
  onKeyDown,
  popupClass,
  role,
  shown
}: {
  readonly role: "dialog" | "menu"
  readonly label: string
  readonly align: "start" | "end"
  /** The content of the button. */
  readonly shown: ReactNode
  readonly buttonClass: string
  readonly popupClass: string
  readonly onKeyDown?: (event: KeyboardEvent<HTMLDivElement>) => void
  readonly children: ReactNode
}) {
  const id = useId()
  const button: Ref<HTMLButtonElement> = useRef(null)
  const popup: Ref<HTMLDivElement> = useRef(null)
  const [isOpen, setOpen] = useState(true)
  const [place, setPlace] = useState<Point>({ top: 0, left: 0 })
  const settle = () => {
    const { current } = popup
    if (current === null || button.current === null) return
    setPlace(placeOf(button.current, current, align))
    const first = current.querySelector<HTMLElement>("[role=menuitem]")
    ;(first ?? current).focus()
  }
  // The button takes the place of one that had the focus: the browser gives the focus back to what had it before.
  useEffect(() => {
    button.current?.focus()
    popup.current?.showPopover()
  }, [])
  const onBeforeToggle = ({ newState }: ToggleEvent<HTMLDivElement>) => {
    setOpen(newState === "open")
    // It is laid out when it is shown, and placed before it is painted.
    if (newState === "open") requestAnimationFrame(settle)
  }
  return (
    <>
      <button
        ref={button}
        type="button"
        className={buttonClass}
        aria-haspopup={role}
        aria-expanded={isOpen}
        popoverTarget={id}
      >
        {shown}
      </button>
      <div
        ref={popup}
        id={id}
        popover="auto"
        role={role}
        aria-label={label}
        tabIndex={-1}
        style={place}
        className={cx("inset-auto m-0", popupClass)}
        onBeforeToggle={onBeforeToggle}
        onKeyDown={onKeyDown}
      >
        {children}
      </div>
    </>
  )
}
