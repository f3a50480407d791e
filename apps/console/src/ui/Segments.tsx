import { cx } from "./Format.ts"

/** A choice of a few that are all seen. */
export function Segments<const A extends string>({
  label,
  onChange,
  options,
  value
}: {
  readonly label: string
  readonly value: A | undefined
  readonly options: ReadonlyArray<{
    readonly value: A
    readonly label: string
    readonly disabledBecause?: string | undefined
  }>
  readonly onChange: (value: A) => void
}) {
  return (
    <div
      role="group"
      aria-label={label}
      className="border-line-strong bg-surface flex flex-wrap rounded-md border p-0.5"
    >
      {options.map((option) => (
        <button
          key={option.value}
          type="button"
          aria-pressed={option.value === value}
          disabled={option.disabledBecause !== undefined}
          title={option.disabledBecause}
          onClick={() => onChange(option.value)}
          className={cx(
            "disabled:text-faint h-6.5 rounded-sm px-2.5 text-xs font-medium disabled:line-through",
            option.value === value ? "bg-accent-soft text-accent-ink" : "text-soft hover:text-ink"
          )}
        >
          {option.label}
        </button>
      ))}
    </div>
  )
}
