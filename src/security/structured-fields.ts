// What RFC 8941 has and a message signature needs: dictionaries of byte sequences, and of lists of strings.
const KEY = /[a-z*][a-z0-9_.*-]*/y
const STRING = /"((?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"/y
const INTEGER = /-?\d{1,15}(?![\d.])/y
const BYTES = /:([A-Za-z0-9+/]*={0,2}):/y

export type Value = string | number
/** A list of strings with parameters, as Signature-Input has one for each signature. */
export type InnerList = { items: string[]; params: Map<string, Value> }

type Cursor = { take(pattern: RegExp): string | undefined; atEnd(): boolean }

function cursorOf(text: string): Cursor {
  let at = 0
  return {
    take(pattern) {
      pattern.lastIndex = at
      const found = pattern.exec(text)
      if (!found) return undefined
      at = pattern.lastIndex
      return found[1] ?? found[0]
    },
    atEnd: () => at === text.length,
  }
}

/** The members of a dictionary; undefined where it is none. A name that comes twice is refused, though RFC 8941 takes the last. */
function parseDictionary<T>(text: string, member: (cursor: Cursor) => T | undefined): Map<string, T> | undefined {
  const cursor = cursorOf(text)
  const members = new Map<string, T>()
  for (;;) {
    const name = cursor.take(KEY)
    if (name === undefined || members.has(name) || cursor.take(/=/y) === undefined) return undefined
    const value = member(cursor)
    if (value === undefined) return undefined
    members.set(name, value)
    if (cursor.atEnd()) return members
    if (cursor.take(/[ \t]*,[ \t]*/y) === undefined) return undefined
  }
}

const plain = (text: string) => text.replace(/\\(.)/g, '$1')

function readValue(cursor: Cursor): Value | undefined {
  const text = cursor.take(STRING)
  if (text !== undefined) return plain(text)
  const digits = cursor.take(INTEGER)
  return digits === undefined ? undefined : Number(digits)
}

function readList(cursor: Cursor): InnerList | undefined {
  if (cursor.take(/\( */y) === undefined) return undefined
  const items: string[] = []
  while (cursor.take(/\)/y) === undefined) {
    const item = cursor.take(STRING)
    if (item === undefined || cursor.take(/ +|(?=\))/y) === undefined) return undefined
    items.push(plain(item))
  }
  const params = new Map<string, Value>()
  while (cursor.take(/; */y) !== undefined) {
    const name = cursor.take(KEY)
    if (name === undefined || params.has(name) || cursor.take(/=/y) === undefined) return undefined
    const value = readValue(cursor)
    if (value === undefined) return undefined
    params.set(name, value)
  }
  return { items, params }
}

/** `sig=("@method" "date");created=1`: lists of plain strings whose parameters are integers or strings. */
export const parseLists = (text: string) => parseDictionary(text, readList)

/** `sig=:AAAA:`: byte sequences, as they are written in base64. */
export const parseBytes = (text: string) => parseDictionary(text, (cursor) => cursor.take(BYTES))

export const quote = (text: string): string => `"${text.replace(/["\\]/g, '\\$&')}"`

/** The one way to write such a list: RFC 8941, 4.1.1.1. */
export function writeList({ items, params }: InnerList): string {
  const given = [...params].map(([name, value]) => `;${name}=${typeof value === 'number' ? value : quote(value)}`)
  return `(${items.map(quote).join(' ')})${given.join('')}`
}
