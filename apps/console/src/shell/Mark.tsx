export function Mark({ className }: { readonly className: string }) {
  return (
    <svg viewBox="0 0 32 32" className={className} aria-hidden>
      <rect width="32" height="32" rx="8" fill="var(--accent)" />
      <path d="M8 24V8h4v6h8V8h4v16h-4v-6h-8v6z" fill="var(--on-accent)" />
    </svg>
  )
}
