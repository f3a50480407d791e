/** A page whose file is gone belongs to an older deployment: the newer one is loaded once. */

const storageKey = "hm.reloaded"

/** Returns a loader that loads the whole console again, once, when the file of a page cannot be loaded. */
export const loading =
  <A>(load: () => Promise<A>): (() => Promise<A>) =>
  async () => {
    try {
      const loaded = await load()
      sessionStorage.removeItem(storageKey)
      return loaded
    } catch (error) {
      if (sessionStorage.getItem(storageKey) !== null) throw error
      sessionStorage.setItem(storageKey, "true")
      location.reload()
      return new Promise<A>(() => undefined)
    }
  }
