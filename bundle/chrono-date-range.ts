import MergeDateRange from '../node_modules/chrono-node/dist/esm/common/refiners/AbstractMergeDateRangeRefiner.js'

/** chrono's own with its dash escaped: one letter beyond ASCII makes V8 keep the whole bundle at two bytes a letter. */
// biome-ignore lint/style/noDefaultExport: chrono takes it so
export default class extends MergeDateRange {
  override patternBetween(): RegExp {
    return /^\s*(to|-|\u2013|until|through|till)\s*$/i
  }
}
