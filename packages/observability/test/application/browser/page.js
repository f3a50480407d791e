/** A page with the unmodified browser SDK. The DSN is in the address of the page. */
import * as Sentry from "@sentry/browser"

const dsn = new URLSearchParams(location.search).get("dsn") ?? ""
Sentry.init({ dsn, release: "front@1.4.0", environment: "live", tracesSampleRate: 1 })
Sentry.setUser({ id: "visitor-3" })

const addToCart = () => {
  throw new TypeError("basket is undefined")
}

// An error of a listener reaches the window.
document.addEventListener("buy", () => addToCart())
document.dispatchEvent(new Event("buy"))
Sentry.captureException(new RangeError("Too many baskets"))
Sentry.captureMessage("The page is open", "warning")
Sentry.captureFeedback({ message: "The button does nothing", email: "ann@example.com" })
Sentry.logger.info("opened")
void Sentry.flush(10_000).then((isSent) => {
  document.title = isSent ? "sent" : "not sent"
})
