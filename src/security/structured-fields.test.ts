import fc from 'fast-check'
import { parseDictionary, serializeInnerList } from 'structured-headers'
import { expect, test } from 'vitest'
import { parseLists, writeList } from './structured-fields.ts'

test.each([
  ['nothing', ''],
  ['no list', 'sig="x"'],
  ['half a list', 'sig=("@method"'],
  ['an item without quotes', 'sig=(@method)'],
  ['items without a space', 'sig=("@method""@path")'],
  ['a tab in a list', 'sig=("@method"\t"@path")'],
  ['a name in capitals', 'Sig=("@method")'],
  ['a parameter twice', 'sig=("@method");created=1;created=2'],
  ['a parameter without a value', 'sig=("@method");created'],
  ['a decimal', 'sig=("@method");created=1.5'],
  ['an integer of sixteen digits', 'sig=("@method");created=1000000000000000'],
  ['a string of other letters', 'sig=("@method");nonce="\u00e9"'],
  ['an escape of nothing', 'sig=("@method");nonce="\\n"'],
  ['a comma at the end', 'sig=("@method"),'],
  ['something after it', 'sig=("@method") x'],
])('%s is no Signature-Input', (_, text) => {
  expect(parseLists(text)).toBeUndefined()
})

// The outside parser of structured fields is asked about whatever ours takes.
test('what is parsed is what an outside parser reads, and is written as it writes it', () => {
  const piece = fc.constantFrom(
    'sig',
    '=',
    '(',
    ')',
    '"@method"',
    '"a\\"b"',
    ' ',
    '  ',
    ';',
    'created',
    '1618884473',
    '"x"',
    ',',
    '-1',
    'keyid',
    ':',
    '*',
  )
  const shaped = fc
    .tuple(
      fc.array(fc.stringMatching(/^"[a-z@-]{1,8}"$/), { maxLength: 4 }),
      fc.array(
        fc.tuple(
          fc.stringMatching(/^[a-z][a-z0-9_.*-]{0,4}$/),
          fc.oneof(fc.integer().map(String), fc.stringMatching(/^"[ -!#-[\]-~]{0,6}"$/)),
        ),
        { maxLength: 4 },
      ),
      fc.constantFrom(' ', '  '),
    )
    .map(
      ([items, params, space]) =>
        `sig=(${items.join(space)})${params.map(([name, value]) => `;${space}${name}=${value}`).join('')}`,
    )
  let taken = 0
  fc.assert(
    fc.property(
      fc.oneof(
        shaped,
        fc.array(piece, { maxLength: 14 }).map((pieces) => pieces.join('')),
      ),
      (text) => {
        const ours = parseLists(text)
        if (!ours) return
        taken++
        const theirs = [...parseDictionary(text)]
        const written = theirs.map(([name, list]) => [
          name,
          Array.isArray(list[0]) ? serializeInnerList([list[0], list[1]]) : '',
        ])
        expect([...ours].map(([name, list]) => [name, writeList(list)])).toEqual(written)
      },
    ),
    { numRuns: 3000, seed: 9421 },
  )
  expect(taken).toBeGreaterThan(1000)
})
