import { Dialog } from "@base-ui/react/dialog"
import type { ConsolePage } from "../Console.ts"

const general: ReadonlyArray<readonly [string, string]> = [
  ["⌘K  /", "Find anything"],
  ["?", "This list"],
  ["j  k", "Next and previous row"],
  ["Enter", "Open the row"],
  ["x", "Choose the row"],
  ["Esc", "Close what is in front"]
]

/** The list of keys. */
export default function Help({
  onClose,
  pages
}: {
  readonly pages: ReadonlyArray<ConsolePage>
  readonly onClose: () => void
}) {
  const chords = pages.flatMap(({ key, label }) =>
    key === undefined || label === undefined ? [] : [[`g  ${key}`, label] as const]
  )
  return (
    <Dialog.Root
      open
      onOpenChange={(isOpen) => {
        if (!isOpen) onClose()
      }}
    >
      <Dialog.Portal>
        <Dialog.Backdrop className="fixed inset-0 z-40 bg-black/35" />
        <Dialog.Popup className="floating fade fixed top-[16vh] left-1/2 z-50 w-[420px] max-w-[92vw] -translate-x-1/2 p-5">
          <Dialog.Title className="mb-3 text-lg font-semibold">Keys</Dialog.Title>
          <dl className="grid grid-cols-[auto_1fr] gap-x-6 gap-y-1.5 text-sm">
            {[...general, ...chords].map(([keys, does]) => (
              <div key={keys} className="contents">
                <dt className="font-mono text-xs">{keys}</dt>
                <dd className="text-soft">{does}</dd>
              </div>
            ))}
          </dl>
          <Dialog.Close className="btn mt-4">Close</Dialog.Close>
        </Dialog.Popup>
      </Dialog.Portal>
    </Dialog.Root>
  )
}
