import { createServer, type Server } from 'node:http'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { checkUrl, fetchOutside } from './url-guard.ts'

const OUTSIDE = { loopback: false }
const HOME = { loopback: true }

let server: Server
let port = 0
let calls: string[] = []
beforeAll(async () => {
  server = createServer((request, response) => {
    calls.push(request.url ?? '')
    response.writeHead(request.url === '/away' ? 302 : 200, { location: `http://127.0.0.1:${port}/inside` }).end('here')
  })
  await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready))
  const address = server.address()
  port = typeof address === 'object' && address ? address.port : 0
})
afterAll(() => void server.close())

const REFUSED = [
  // Other schemes, and none.
  'http://example.com/',
  'ftp://example.com/',
  'file:///etc/passwd',
  'gopher://example.com:70/_',
  'data:text/plain,hi',
  'javascript:alert(1)',
  'ws://example.com/',
  'blob:https://example.com/1',
  '//example.com/',
  'example.com',
  '',
  'https://',
  'https:///',
  // This machine, however it is written.
  'https://127.0.0.1/',
  'https://127.0.0.1:443/',
  'https://127.1/',
  'https://127.0.1/',
  'https://127.255.255.254/',
  'https://2130706433/',
  'https://017700000001/',
  'https://0177.0.0.1/',
  'https://0177.0.0.01/',
  'https://0x7f000001/',
  'https://0x7f.0.0.1/',
  'https://0x7f.1/',
  'https://0X7F.0x0.0x0.0x1/',
  'https://%31%32%37.0.0.1/',
  'https://127.0.0.1./',
  'https://127%2e0%2e0%2e1/',
  'https://\u2460\u2461\u2466.\u24ea.\u24ea.\u2460/',
  'https://\uff11\uff12\uff17.0.0.1/',
  'https://127\u30020\u30020\u30021/',
  'https://0/',
  'https://0.0.0.0/',
  'https://localhost/',
  'https://LOCALHOST/',
  'https://localhost./',
  'https://localhost.localdomain/',
  'https://a.localhost/',
  'https://%6c%6f%63%61%6c%68%6f%73%74/',
  // Private, shared, link-local, reserved and multicast networks.
  'https://10.0.0.1/',
  'https://10.1/',
  'https://172.16.0.1/',
  'https://172.31.255.255/',
  'https://192.168.0.1/',
  'https://192.168.1/',
  'https://3232235777/',
  'https://100.64.0.1/',
  'https://169.254.0.1/',
  'https://198.18.0.1/',
  'https://192.0.0.192/',
  'https://224.0.0.1/',
  'https://240.0.0.1/',
  'https://255.255.255.255/',
  // The same in IPv6.
  'https://[::1]/',
  'https://[::]/',
  'https://[0:0:0:0:0:0:0:1]/',
  'https://[::ffff:127.0.0.1]/',
  'https://[::ffff:7f00:1]/',
  'https://[::ffff:a9fe:a9fe]/',
  'https://[::127.0.0.1]/',
  'https://[64:ff9b::7f00:1]/',
  'https://[2002:7f00:1::]/',
  'https://[2001:0:7f00:1::]/',
  'https://[fc00::1]/',
  'https://[fd00:ec2::254]/',
  'https://[fe80::1]/',
  'https://[ff02::1]/',
  // Where clouds keep their secrets.
  'https://169.254.169.254/latest/meta-data/',
  'https://0xa9fea9fe/',
  'https://0251.0376.0251.0376/',
  'https://2852039166/',
  'https://metadata.google.internal/',
  'https://metadata/',
  'https://instance-data.ec2.internal/',
  // Names that lead inside.
  'https://printer.local/',
  'https://router.lan/',
  'https://nas.home.arpa/',
  'https://wiki.corp/',
  'https://intranet/',
  'https://1.0.0.127.in-addr.arpa/',
  'https://127.0.0.1.nip.io/',
  'https://7f000001.nip.io/',
  'https://app.lvh.me/',
  'https://10.0.0.1.sslip.io/',
  'https://x.localtest.me/',
  // Credentials, ports, what parsers read differently.
  'https://user@example.com/',
  'https://user:password@example.com/',
  'https://example.com@127.0.0.1/',
  'https://127.0.0.1@example.com/',
  'https://example.com:22/',
  'https://example.com:80/',
  'https://example.com:6379/',
  'https://example.com:0/',
  'https://example.com:99999/',
  'https://example.com\\@127.0.0.1/',
  'https:\\\\example.com/',
  'https://exa\tmple.com/',
  'https://example.com/\r\nhost: inside',
  ' https://example.com/',
  'https://example.com/#@127.0.0.1',
  'https://example..com/',
  'https://.example.com/',
  `https://example.com/${'a'.repeat(2000)}`,
]

test.each(REFUSED)('%j is refused, and nothing is connected to', async (url) => {
  expect(checkUrl(url, OUTSIDE)).toMatchObject({ ok: false })
  const real = globalThis.fetch
  let asked = 0
  globalThis.fetch = async () => {
    asked++
    return new Response()
  }
  try {
    await expect(fetchOutside(url, {}, OUTSIDE)).rejects.toMatchObject({ code: 'invalid_request' })
  } finally {
    globalThis.fetch = real
  }
  expect(asked).toBe(0)
})

test.each([
  'https://example.com/',
  'https://mcp.example.com/v1/mcp?team=1',
  'https://example.com:443/mcp',
  'https://example.com:8443/mcp',
  'https://EXAMPLE.com/',
  'https://xn--bcher-kva.example/',
  'https://localhost.example.com/',
  'https://10.example.com/',
])('%s may be called', (url) => {
  expect(checkUrl(url, OUTSIDE)).toMatchObject({ ok: true })
})

test('this machine may be called where that is allowed, and nothing else that was refused', async () => {
  expect(await (await fetchOutside(`http://127.0.0.1:${port}/mcp`, {}, HOME)).text()).toBe('here')
  await expect(fetchOutside(`http://127.0.0.1:${port}/mcp`, {}, OUTSIDE)).rejects.toThrow('not called')
  for (const url of [
    'http://example.com/',
    'http://10.0.0.1/',
    'http://127.0.0.2/',
    'ftp://127.0.0.1/',
    'http://a@127.0.0.1/',
  ])
    expect(checkUrl(url, HOME)).toMatchObject({ ok: false })
})

test('a redirect is refused, not followed', async () => {
  calls = []
  await expect(fetchOutside(`http://127.0.0.1:${port}/away`, {}, HOME)).rejects.toMatchObject({ code: 'unavailable' })
  expect(calls).toEqual(['/away'])
})
