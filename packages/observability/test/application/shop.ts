/** An application with the unmodified SDK, as a shop has it. DSN is in the environment. */
import * as Sentry from "@sentry/node"

Sentry.init({
  dsn: process.env["SHOP_DSN"] ?? "",
  release: "shop@2.10.0",
  environment: "live",
  tracesSampleRate: 1
})

const secret = "correct-horse-battery-staple"

Sentry.setUser({ id: "customer-7" })
Sentry.addBreadcrumb({ category: "http", data: { headers: { authorization: `Bearer ${secret}` } } })

const pay = (cause: unknown): never => {
  throw new Error("Payment failed", { cause })
}
const checkout = () => {
  try {
    JSON.parse("{")
  } catch (error) {
    pay(error)
  }
}

try {
  checkout()
} catch (error) {
  Sentry.captureException(error, { tags: { order_id: "o-1042" }, extra: { note: `sent with ${secret}` } })
}
Sentry.captureMessage("Stock is low for lamp-17", "warning")
Sentry.startSession()
Sentry.captureSession()
Sentry.endSession()
const checkInId = Sentry.captureCheckIn({ monitorSlug: "nightly", status: "in_progress" })
Sentry.captureCheckIn({ checkInId, monitorSlug: "nightly", status: "ok" })
Sentry.captureFeedback(
  { message: "It hangs", name: "Ann", email: "ann@example.com" },
  { attachments: [{ filename: "steps.txt", data: "open the cart" }] }
)
Sentry.startSpan({ name: "checkout", op: "task" }, () => undefined)
Sentry.logger.info("order placed")
Sentry.metrics.count("orders", 1)
// Larger than 32 KiB, so that the SDK compresses it.
Sentry.captureException(new RangeError("Too many lines"), {
  extra: { lines: Array.from({ length: 400 }, (_, index) => `line ${index} `.repeat(10)) }
})
const isFlushed = await Sentry.flush(10_000)
process.exit(isFlushed ? 0 : 1)
