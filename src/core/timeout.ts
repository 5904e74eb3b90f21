/** Runs `work` with a signal that aborts after `ms`; the timer is gone with the work, so nothing is kept awake by it. */
export async function withTimeout<T>(ms: number, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController()
  const timer = setTimeout(() => controller.abort(new DOMException('took too long', 'TimeoutError')), ms)
  try {
    return await work(controller.signal)
  } finally {
    clearTimeout(timer)
  }
}

/** A time limit that can be set again and again: `run` is called when the last one has passed. Clear it in the end. */
export function createTimer(run: () => void) {
  let timer: ReturnType<typeof setTimeout> | undefined
  const clear = () => clearTimeout(timer)
  const set = (ms: number) => {
    clear()
    timer = setTimeout(run, ms)
  }
  return { set, clear }
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
