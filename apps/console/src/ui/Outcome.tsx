interface Acting {
  readonly isError: boolean
  readonly isSuccess: boolean
  readonly error: Error | null
}

/** The outcome of an act, beside its button. */
export function Outcome({ acting, done }: { readonly acting: Acting; readonly done?: string }) {
  if (acting.isError) {
    return (
      <span role="alert" className="text-bad text-xs">
        {acting.error?.message}
      </span>
    )
  }
  return acting.isSuccess && done !== undefined ? (
    <span role="status" className="text-good text-xs">
      {done}
    </span>
  ) : null
}
