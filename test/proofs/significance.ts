// A chance of less than one in twenty thousand, for each thing that is measured.
const Z_BEYOND_CHANCE = 4.1

const median = (values: number[]): number => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0

/**
 * How many standard deviations the differences of pairs lie from none (Wilcoxon's signed ranks). Each pair was measured
 * at one time, so that a machine that is busy now and idle then does not hide the difference.
 */
export function signedRank(pairs: [number, number][]): number {
  const apart = pairs.map(([a, b]) => a - b).filter((difference) => difference !== 0)
  const ranked = apart.toSorted((a, b) => Math.abs(a) - Math.abs(b))
  const sum = ranked.reduce((total, difference, index) => total + Math.sign(difference) * (index + 1), 0)
  const n = apart.length
  return n === 0 ? 0 : Math.abs(sum) / Math.sqrt((n * (n + 1) * (2 * n + 1)) / 6)
}

/** Whether the two durations of each pair differ beyond noise: by rank, and by more than a twentieth. */
export function differ(pairs: [number, number][]): boolean {
  const apart = Math.abs(median(pairs.map(([a, b]) => a - b)))
  return signedRank(pairs) > Z_BEYOND_CHANCE && apart > median(pairs.map(([, b]) => b)) / 20
}

/**
 * How likely samples of one distribution lie as far apart as these two, or further (Mann and Whitney, two-sided, by the
 * normal approximation with ties): small where one of them tends to be greater.
 */
export function mannWhitney(a: number[], b: number[]): number {
  const all = [...a.map((value) => ({ value, isA: true })), ...b.map((value) => ({ value, isA: false }))]
  const groups = [...Map.groupBy(all, ({ value }) => value).entries()].sort(([x], [y]) => x - y)
  let [below, rankSum, ties] = [0, 0, 0]
  for (const [, group] of groups) {
    rankSum += (below + (group.length + 1) / 2) * group.filter(({ isA }) => isA).length
    ties += group.length ** 3 - group.length
    below += group.length
  }
  const n = all.length
  const u = rankSum - (a.length * (a.length + 1)) / 2
  const sd = Math.sqrt(((a.length * b.length) / 12) * (n + 1 - ties / (n * (n - 1))))
  return sd === 0 ? 1 : 2 * (1 - normal(Math.abs(u - (a.length * b.length) / 2) / sd))
}

// Abramowitz and Stegun 26.2.17; its error is below a ten-millionth.
function normal(z: number): number {
  const t = 1 / (1 + 0.2316419 * z)
  const tail = t * (0.31938153 + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429))))
  return 1 - (Math.exp((-z * z) / 2) / Math.sqrt(2 * Math.PI)) * tail
}
