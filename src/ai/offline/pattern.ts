export const raw = String.raw

/** Regular expressions too long for a line, from their pieces. */
const of =
  (flags: string) =>
  (...parts: string[]): RegExp =>
    new RegExp(parts.join(''), flags)
export const re = of('i')
export const reU = of('iu')
export const reG = of('gi')
