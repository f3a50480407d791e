/** Where an act asks for its reason. */
export function Reason({
  max,
  onChange,
  value
}: {
  readonly value: string
  readonly onChange: (value: string) => void
  readonly max?: number
}) {
  return (
    <label className="text-ink block">
      Reason
      <input
        className="field mt-1 block w-full"
        value={value}
        maxLength={max}
        onChange={(event) => onChange(event.target.value)}
      />
    </label>
  )
}
