const tookTooLong = () => new DOMException('took too long', 'TimeoutError')

/** Runs `work` with a signal that aborts after `ms`; the timer is gone with the work, so nothing is kept awake by it. */
export async function withTimeout<T>(ms: number, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController()
  const timer = setTimeout(() => controller.abort(tookTooLong()), ms)
  try {
    return await work(controller.signal)
  } finally {
    clearTimeout(timer)
  }
}

/** The same for what heeds no signal, as the bindings of the platform: it is left, and what it gives then is nobody's. */
export function inTime<T>(ms: number, work: () => Promise<T>): Promise<T> {
  const working = work()
  const { promise, resolve, reject } = Promise.withResolvers<T>()
  const timer = setTimeout(() => reject(tookTooLong()), ms)
  const clear = () => clearTimeout(timer)
  working.then(resolve, reject).then(clear, clear)
  return promise
}

/**
 * A time limit that can be set again and again, at the price of reading a clock: `run` is called when the last one has
 * passed. Paused, it does not pass; cleared in the end, nothing is kept awake by it.
 */
export function createTimer(run: () => void) {
  let timer: ReturnType<typeof setTimeout> | undefined
  let ringsMs = 0
  let dueMs = Number.POSITIVE_INFINITY
  const arm = (ms: number) => {
    clearTimeout(timer)
    ringsMs = dueMs
    timer = setTimeout(ring, ms)
  }
  const ring = () => {
    timer = undefined
    const leftMs = dueMs - performance.now()
    if (leftMs <= 0) run()
    else if (leftMs < Number.POSITIVE_INFINITY) arm(leftMs)
  }
  return {
    set(ms: number) {
      dueMs = performance.now() + ms
      if (timer === undefined || dueMs < ringsMs) arm(ms)
    },
    pause() {
      dueMs = Number.POSITIVE_INFINITY
    },
    clear() {
      clearTimeout(timer)
      timer = undefined
    },
  }
}

/** Resolves after `ms`, or throws what the signal is aborted with; either way nothing is kept awake any longer. */
export async function wait(ms: number, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted()
  const { promise, resolve } = Promise.withResolvers<void>()
  const timer = createTimer(resolve)
  timer.set(ms)
  const abort = () => resolve()
  signal.addEventListener('abort', abort, { once: true })
  try {
    await promise
    signal.throwIfAborted()
  } finally {
    timer.clear()
    signal.removeEventListener('abort', abort)
  }
}
