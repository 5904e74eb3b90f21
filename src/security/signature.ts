import { createHmac, timingSafeEqual } from 'node:crypto'

/** 256 bits that only a holder of `key` could make of `text` for this `purpose`; base64url. */
export function sign(key: string, purpose: string, text: string): string {
  return createHmac('sha256', key).update(`${purpose}\n${text}`, 'utf8').digest('base64url')
}

/** Compares two texts in a time that tells nothing of where they differ. */
export function isSame(a: string, b: string): boolean {
  const [left, right] = [new TextEncoder().encode(a), new TextEncoder().encode(b)]
  return left.byteLength === right.byteLength && timingSafeEqual(left, right)
}
