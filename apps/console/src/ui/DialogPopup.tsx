import { AlertDialog } from "@base-ui/react/alert-dialog"
import { useState } from "react"
import type { Asked } from "./Dialog.tsx"
import { Failure } from "./States.tsx"

/** The dialog itself. */
export default function DialogPopup({
  act,
  children,
  error,
  isBusy = false,
  name,
  onAct,
  onClose,
  open,
  title
}: Asked) {
  const [typed, setTyped] = useState("")
  return (
    <AlertDialog.Root
      open={open}
      onOpenChange={(isOpen) => {
        setTyped("")
        if (!isOpen) onClose()
      }}
    >
      <AlertDialog.Portal>
        <AlertDialog.Backdrop className="fixed inset-0 z-40 bg-black/35" />
        <AlertDialog.Popup className="floating fade fixed top-[16vh] left-1/2 z-50 max-h-[76vh] w-[480px] max-w-[92vw] -translate-x-1/2 overflow-y-auto p-5">
          <AlertDialog.Title className="mb-2 text-lg font-semibold">{title}</AlertDialog.Title>
          <form
            onSubmit={(event) => {
              event.preventDefault()
              onAct()
            }}
          >
            <div className="text-soft space-y-3 text-sm">
              {children}
              {name === undefined ? null : (
                <label className="text-ink block">
                  Type <code className="font-mono text-xs">{name}</code> to confirm
                  <input
                    className="field mt-1 block w-full font-mono"
                    value={typed}
                    onChange={(event) => setTyped(event.target.value)}
                  />
                </label>
              )}
              {error === undefined || error === null ? null : <Failure error={error} />}
            </div>
            <div className="mt-5 flex justify-end gap-2">
              <AlertDialog.Close className="btn" type="button">
                Cancel
              </AlertDialog.Close>
              <button
                type="submit"
                className="btn btn-primary"
                disabled={isBusy || (name !== undefined && typed !== name)}
              >
                {act}
              </button>
            </div>
          </form>
        </AlertDialog.Popup>
      </AlertDialog.Portal>
    </AlertDialog.Root>
  )
}
