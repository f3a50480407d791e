/** Text as it is, in lines that scroll. */
export function Source({ label, text }: { readonly label: string; readonly text: string }) {
  return (
    <pre
      // A region that scrolls can be reached by keyboard.
      // oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex
      tabIndex={0}
      role="region"
      aria-label={label}
      className="bg-sunken text-soft max-h-96 overflow-auto rounded-md p-2.5 font-mono text-xs leading-relaxed"
    >
      {text}
    </pre>
  )
}
