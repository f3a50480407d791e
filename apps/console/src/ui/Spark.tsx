/** Figures as small bars, with a label for screen readers. */
export function Spark({
  height = 34,
  label,
  values
}: {
  readonly values: ReadonlyArray<number>
  readonly label: string
  readonly height?: number
}) {
  const top = Math.max(1, ...values)
  const width = 100 / Math.max(values.length, 1)
  return (
    <svg
      viewBox={`0 0 100 ${height}`}
      preserveAspectRatio="none"
      className="text-accent w-full"
      height={height}
      role="img"
      aria-label={label}
    >
      {values.map((value, index) => {
        const size = value <= 0 ? 0 : Math.max((value / top) * height, 1.5)
        return (
          <rect
            key={index}
            x={index * width + width * 0.12}
            width={width * 0.76}
            y={height - size}
            height={size}
            fill="currentColor"
            opacity={0.8}
          />
        )
      })}
      <line x1="0" x2="100" y1={height - 0.5} y2={height - 0.5} stroke="var(--line-strong)" strokeWidth="1" />
    </svg>
  )
}

/** A share of a whole as a bar. */
export function Bar({ share }: { readonly share: number }) {
  return (
    <span className="bg-hover block h-2 overflow-hidden rounded-full" aria-hidden>
      <span
        className="bg-accent block h-2 rounded-full"
        style={{ width: `${Math.max(share * 100, 0.4)}%` }}
      />
    </span>
  )
}
