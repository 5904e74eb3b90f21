export type Cron = { stop(): Promise<void> }

const MINUTE_MS = 60_000

/**
 * Calls `tick` with each minute, to the exact minute, one call at a time, the first at once. A machine that slept, or a
 * call that took long, is caught up with one call for the latest minute that was missed.
 */
export function startCron(tick: (at: Date) => Promise<void>, onError: (error: Error) => void): Cron {
  let timer: NodeJS.Timeout | undefined
  let running: Promise<void> = Promise.resolve()
  let isStopped = false

  const turn = () => {
    const minute = Math.floor(Date.now() / MINUTE_MS)
    running = tick(new Date(minute * MINUTE_MS))
      .catch((error) => {
        if (!isStopped) onError(error instanceof Error ? error : new Error(String(error)))
      })
      .then(() => arm(minute + 1))
  }
  const arm = (minute: number) => {
    if (!isStopped) timer = setTimeout(turn, Math.max(0, minute * MINUTE_MS - Date.now()))
  }
  turn()
  return {
    async stop() {
      isStopped = true
      clearTimeout(timer)
      await running
    },
  }
}
