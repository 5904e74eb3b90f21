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
