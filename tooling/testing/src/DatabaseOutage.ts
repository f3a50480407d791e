/**
 * A database that is unavailable for a while, and clients that keep asking an API meanwhile: for the test of the answers and
 * for the bench of their times.
 */
import * as EmbeddedPostgres from "@hypermarket/embedded-postgres/EmbeddedPostgres"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Fs from "node:fs"
import * as Http from "node:http"
import * as Os from "node:os"
import * as Path from "node:path"

export interface Answer {
  /** 0 for a broken connection. */
  readonly status: number
  readonly retryAfter: string | undefined
  readonly sentMillis: number
  readonly answeredMillis: number
}

export interface Options {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly clients: number
}

/** Sends one request and returns its answer; it never fails. */
export const request = (agent: Http.Agent, url: string, headers: Readonly<Record<string, string>> = {}) =>
  Effect.gen(function* () {
    const sentMillis = yield* Clock.currentTimeMillis
    const { retryAfter, status } = yield* Effect.callback<Pick<Answer, "status" | "retryAfter">>((resume) => {
      const answer = (status: number, retryAfter?: string) => resume(Effect.succeed({ status, retryAfter }))
      const sent = Http.get(url, { agent, headers }, (response) => {
        response.on("error", () => answer(0))
        response.on("end", () => answer(response.statusCode ?? 0, response.headers["retry-after"]))
        response.resume()
      })
      sent.on("error", () => answer(0))
      return Effect.sync(() => sent.destroy())
    })
    const answered: Answer = {
      status,
      retryAfter,
      sentMillis,
      answeredMillis: yield* Clock.currentTimeMillis
    }
    return answered
  })

/** Creates an agent that keeps up to `connections` connections open until the scope closes. */
export const agentOf = (connections: number) =>
  Effect.acquireRelease(
    Effect.sync(() => new Http.Agent({ keepAlive: true, maxSockets: connections })),
    (agent) => Effect.sync(() => agent.destroy())
  )

/** A client waits this long after a refusal: the `Retry-After` that the API sends. */
const retryAfter = "1 second"

const pollEvery = Schedule.spaced("20 millis")

/**
 * Starts clients that ask, each over its own connection, until the scope closes. After an answer other than 200 a
 * client pauses as `Retry-After` says.
 */
export const startClients = Effect.fn("DatabaseOutage.startClients")(function* (options: Options) {
  const agent = yield* agentOf(options.clients)
  const answersByClient = Array.from({ length: options.clients }, (): Array<Answer> => [])
  yield* Effect.forEach(
    answersByClient,
    (answers) =>
      request(agent, options.url, options.headers).pipe(
        Effect.tap((answer) => Effect.sync(() => answers.push(answer))),
        Effect.flatMap(({ status }) => (status === 200 ? Effect.yieldNow : Effect.sleep(retryAfter))),
        Effect.forever,
        Effect.forkScoped
      ),
    { discard: true }
  )
  return {
    /** Returns all answers so far, in no particular order. */
    answers: () => answersByClient.flat(),
    /** Waits until every client got `times` answers with the status to requests that it sends from now on. */
    untilEachGot: Effect.fnUntraced(function* (status: number, times: number) {
      const sinceMillis = yield* Clock.currentTimeMillis
      const counts = answersByClient.map((answers) => answers.length)
      const got = (answers: ReadonlyArray<Answer>, client: number) =>
        answers
          .slice(counts[client])
          .filter((answer) => answer.status === status && answer.sentMillis >= sinceMillis).length
      yield* Effect.sync(() =>
        answersByClient.every((answers, client) => got(answers, client) >= times)
      ).pipe(Effect.repeat({ until: (all) => all, schedule: pollEvery }))
    })
  }
})

/** A server with a way to become unavailable and a way back. */
export interface Database {
  readonly server: EmbeddedPostgres.Server
  readonly leave: Effect.Effect<void>
  readonly comeBack: Effect.Effect<void, EmbeddedPostgres.EmbeddedPostgresError, Scope.Scope>
}

const isAlive = (pid: number) =>
  Effect.sync(() => {
    try {
      return process.kill(pid, 0)
    } catch {
      return false
    }
  })

const endedBy = Effect.fnUntraced(function* (signal: NodeJS.Signals) {
  const directory = yield* Effect.acquireRelease(
    Effect.sync(() => Fs.mkdtempSync(Path.join(Os.tmpdir(), "hm-outage-"))),
    (made) => Effect.sync(() => Fs.rmSync(made, { recursive: true, force: true }))
  )
  const server = yield* EmbeddedPostgres.start({ directory })
  let { pid } = server
  const database: Database = {
    server,
    leave: Effect.suspend(() => {
      process.kill(pid, signal)
      return isAlive(pid).pipe(Effect.repeat({ until: (alive) => !alive, schedule: pollEvery }))
    }).pipe(Effect.asVoid),
    comeBack: Effect.map(EmbeddedPostgres.start({ directory, port: server.port }), (started) => {
      pid = started.pid
    })
  }
  return database
})

/** Starts a server that shuts down, with its connections closed, and starts again on the same port. */
export const shutDown = endedBy("SIGINT")

/** Starts a server that is killed, and recovers on the same port. */
export const killed = endedBy("SIGKILL")

/** Starts a server whose processes all stop with their connections open, and go on later (Linux). */
export const frozen = Effect.gen(function* () {
  const server = yield* EmbeddedPostgres.start()
  const signal = (name: NodeJS.Signals) =>
    Effect.sync(() => {
      const children = Fs.readFileSync(`/proc/${server.pid}/task/${server.pid}/children`, "utf8")
      for (const pid of [server.pid, ...children.trim().split(" ").map(Number)]) process.kill(pid, name)
    })
  const database: Database = { server, leave: signal("SIGSTOP"), comeBack: signal("SIGCONT") }
  return database
})
