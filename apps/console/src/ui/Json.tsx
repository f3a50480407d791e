/** JSON as a tree that can be folded. */
export function Json({ name, value }: { readonly value: unknown; readonly name?: string }) {
  const label = name === undefined ? null : <span className="text-soft">{name}: </span>
  if (value === null || typeof value !== "object") {
    return (
      <div className="font-mono text-xs">
        {label}
        <span className={typeof value === "string" ? "text-good" : "text-accent-ink"}>
          {JSON.stringify(value)}
        </span>
      </div>
    )
  }
  const entries = Object.entries(value)
  if (entries.length === 0) {
    return (
      <div className="font-mono text-xs">
        {label}
        {Array.isArray(value) ? "[]" : "{}"}
      </div>
    )
  }
  return (
    <details open className="font-mono text-xs">
      <summary className="min-h-6 py-1">
        {label}
        <span className="text-soft">{Array.isArray(value) ? `${entries.length} items` : "{…}"}</span>
      </summary>
      <div className="border-line ml-1.5 border-l pl-3">
        {entries.map(([key, item]) => (
          <Json key={key} name={key} value={item} />
        ))}
      </div>
    </details>
  )
}
