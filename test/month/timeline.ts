type Item = { ms: number; order: number; run: () => Promise<unknown> }

/** What is to come, soonest first; of one moment in the order it was asked for. */
export function createTimeline() {
  const heap: Item[] = []
  let count = 0
  const isBefore = (a: Item | undefined, b: Item | undefined) =>
    a !== undefined && b !== undefined && (a.ms < b.ms || (a.ms === b.ms && a.order < b.order))
  const swap = (a: number, b: number) => {
    const [one, two] = [heap[a], heap[b]]
    if (one && two) [heap[a], heap[b]] = [two, one]
  }
  return {
    at(ms: number, run: Item['run']): void {
      heap.push({ ms, order: count++, run })
      for (let child = heap.length - 1; child > 0; ) {
        const parent = (child - 1) >> 1
        if (!isBefore(heap[child], heap[parent])) break
        swap(child, parent)
        child = parent
      }
    },
    next(): Item | undefined {
      const [first] = heap
      const last = heap.pop()
      if (heap.length > 0 && last) heap[0] = last
      for (let parent = 0; ; ) {
        const [left, right] = [2 * parent + 1, 2 * parent + 2]
        const child = isBefore(heap[right], heap[left]) ? right : left
        if (!isBefore(heap[child], heap[parent])) break
        swap(parent, child)
        parent = child
      }
      return first
    },
  }
}

export type Timeline = ReturnType<typeof createTimeline>
