import { expect, test } from 'vitest'
import { answerTo, isOneOf, isRedirectUri, placeOf } from './redirects.ts'

test('a code goes by https or to the own machine, and to no address that means another than it says', () => {
  const fine = [
    'https://app.example/cb',
    'https://app.example/cb?x=1',
    'http://127.0.0.1/cb',
    'http://[::1]:8080/',
    'http://localhost:1/cb',
  ]
  expect(fine.filter((uri) => !isRedirectUri(uri))).toEqual([])
  const bad = [
    'http://app.example/cb',
    'javascript:alert(1)',
    'data:text/html,x',
    'myapp://cb',
    'https://*.example/cb',
    'https://app.example/*',
    'https://app.example/cb#x',
    'https://app.example/cb#',
    'https://app@evil.example/cb',
    'https://app.example\\@evil.example/',
    'http://127.0.0.1.evil.example/cb',
    'http://127.0.0.2/cb',
    'https://app.example/c b',
    'https://\u0430pp.example/cb',
    '/cb',
    '',
  ]
  expect(bad.filter(isRedirectUri)).toEqual([])
})

test('an address is the registered one letter for letter; on the own machine its port may differ', () => {
  const registered = ['https://app.example/cb', 'http://127.0.0.1/cb']
  for (const uri of [...registered, 'http://127.0.0.1:51004/cb']) expect(isOneOf(registered, uri)).toBe(true)
  const others = [
    'https://app.example/cb/',
    'https://app.example/cb?x',
    'https://app.example/CB',
    'https://app.example/cb/../cb',
    'https://app.example:443/cb',
    'https://app.example:8443/cb',
    'https://app.example.evil.example/cb',
    'http://app.example/cb',
    'http://localhost:51004/cb',
    'http://127.0.0.1:51004/cb/x',
    'http://127.0.0.1:51004/cb?x',
    'http://[::1]:51004/cb',
    'https://127.0.0.1:51004/cb',
  ]
  expect(others.filter((uri) => isOneOf(registered, uri))).toEqual([])
})

test('an answer keeps what the address had, and says who gives it', () => {
  const config = { publicUrl: 'https://api.example' } as Parameters<typeof answerTo>[0]
  const waiting = { redirectUri: 'https://app.example/cb?tenant=1', state: 'a&b' }
  expect(answerTo(config, waiting, { code: 'c' })).toBe(
    'https://app.example/cb?tenant=1&code=c&state=a%26b&iss=https%3A%2F%2Fapi.example',
  )
  expect(placeOf('http://127.0.0.1:99/cb')).toBe('an app on this computer (127.0.0.1:99)')
})
