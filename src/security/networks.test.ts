import { expect, test } from 'vitest'
import { isNetwork, isWithin } from './networks.ts'

test.each([
  ['192.0.2.7', '192.0.2.7', true],
  ['192.0.2.8', '192.0.2.7', false],
  ['192.0.2.7', '192.0.2.0/24', true],
  ['192.0.3.0', '192.0.2.0/24', false],
  ['192.0.2.127', '192.0.2.0/25', true],
  ['192.0.2.128', '192.0.2.0/25', false],
  ['203.0.113.9', '0.0.0.0/0', true],
  ['255.255.255.255', '255.255.255.254/31', true],
  ['::ffff:192.0.2.7', '192.0.2.0/24', true],
  ['::ffff:c000:207', '192.0.2.0/24', true],
  ['2001:db8::1', '2001:db8::/32', true],
  ['2001:DB8:0:0:0:0:0:1', '2001:db8::1', true],
  ['2001:db9::1', '2001:db8::/32', false],
  ['2001:db8:0:8000::', '2001:db8::/49', false],
  ['2001:db8:0:8000::', '2001:db8:0:8000::/49', true],
  ['2001:db8:8000::', '2001:db8::/33', false],
  ['2001:db8::1', '0.0.0.0/0', false],
  ['192.0.2.7', '::/0', false],
  ['::1', '::/0', true],
  ['', '0.0.0.0/0', false],
  ['unknown', '::/0', false],
])('%s in %s: %s', (address, network, expected) => {
  expect(isWithin(address, [network])).toBe(expected)
})

test('one of several is enough, and none is none', () => {
  expect(isWithin('192.0.2.7', ['10.0.0.0/8', '192.0.2.0/24'])).toBe(true)
  expect(isWithin('192.0.2.7', [])).toBe(false)
})

test.each([
  '',
  '192.0.2',
  '192.0.2.256',
  '192.0.2.07',
  '192.0.2.0/33',
  '192.0.2.0/-1',
  '192.0.2.0/',
  '192.0.2.0/24/1',
  '2001:db8::/129',
  '2001:db8',
  '1::2::3',
  ':::',
  '1:2:3:4:5:6:7:8:9',
  '1:2:3:4:5:6:7::8:9',
  '12345::',
  'g::',
  'fe80::1%eth0',
  '::ffff:192.0.2.0/120',
  'example.com',
])('%j is no network', (text) => {
  expect(isNetwork(text)).toBe(false)
})

test.each(['192.0.2.0/24', '192.0.2.7', '2001:db8::/32', '::1', '::', '1:2:3:4:5:6:7::', '64:ff9b::192.0.2.1'])(
  '%s is a network',
  (text) => {
    expect(isNetwork(text)).toBe(true)
  },
)
