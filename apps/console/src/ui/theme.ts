/** Light or dark: as the reader chose, or as the system says. The choice is all that this browser keeps. */
import { useSyncExternalStore } from "react"

export type Theme = "light" | "dark"

const storageKey = "hm.theme"
const systemDark = matchMedia("(prefers-color-scheme: dark)")
const listeners = new Set<() => void>()

const stored = (): Theme | undefined => {
  const value = localStorage.getItem(storageKey)
  return value === "light" || value === "dark" ? value : undefined
}

const current = (): Theme => stored() ?? (systemDark.matches ? "dark" : "light")

/** Writes the theme into the document, where the tokens are chosen by it. */
export const applyTheme = (): void => {
  document.documentElement.dataset["theme"] = current()
  for (const listener of listeners) listener()
}

export const setTheme = (theme: Theme): void => {
  localStorage.setItem(storageKey, theme)
  applyTheme()
}

/** Removes what this browser keeps. */
export const forgetTheme = (): void => localStorage.removeItem(storageKey)

systemDark.addEventListener("change", applyTheme)

export const useTheme = (): Theme =>
  useSyncExternalStore((listener) => {
    listeners.add(listener)
    return () => listeners.delete(listener)
  }, current)
