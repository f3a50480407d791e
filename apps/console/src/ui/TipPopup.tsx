import { Tooltip } from "@base-ui/react/tooltip"

/** The text beside what is pointed at. */
export default function TipPopup({
  anchor,
  onClose,
  text
}: {
  readonly anchor: Element
  readonly text: string
  readonly onClose: () => void
}) {
  return (
    <Tooltip.Root
      open
      onOpenChange={(isOpen) => {
        if (!isOpen) onClose()
      }}
    >
      <Tooltip.Portal>
        <Tooltip.Positioner anchor={anchor} sideOffset={6} className="z-50">
          <Tooltip.Popup className="floating fade max-w-80 px-2 py-1 text-xs">{text}</Tooltip.Popup>
        </Tooltip.Positioner>
      </Tooltip.Portal>
    </Tooltip.Root>
  )
}
