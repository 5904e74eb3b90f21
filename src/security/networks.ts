type Parsed = { bits: 32 | 128; value: bigint }

const BYTE = /^(?:0|[1-9]\d{0,2})$/

function parseV4(text: string): bigint | undefined {
  const parts = text.split('.')
  if (parts.length !== 4 || !parts.every((part) => BYTE.test(part) && Number(part) < 256)) return undefined
  return parts.reduce((value, part) => (value << 8n) | BigInt(part), 0n)
}

function groupsOf(text: string): bigint[] | undefined {
  if (text === '') return []
  const groups = text.split(':').flatMap((group, at, all) => {
    const v4 = at === all.length - 1 && group.includes('.') ? parseV4(group) : undefined
    if (v4 !== undefined) return [v4 >> 16n, v4 & 0xffffn]
    return [/^[0-9a-f]{1,4}$/i.test(group) ? BigInt(`0x${group}`) : -1n]
  })
  return groups.includes(-1n) ? undefined : groups
}

function parseV6(text: string): bigint | undefined {
  const halves = text.split('::')
  const [left, right] = [groupsOf(halves[0] ?? ''), groupsOf(halves[1] ?? '')]
  if (halves.length > 2 || !left || !right) return undefined
  const missing = 8 - left.length - right.length
  if (halves.length === 2 ? missing < 1 : missing !== 0) return undefined
  const groups = [...left, ...Array.from({ length: missing }, () => 0n), ...right]
  return groups.reduce((value, group) => (value << 16n) | group, 0n)
}

function parseAddress(text: string): Parsed | undefined {
  const v4 = parseV4(text)
  if (v4 !== undefined) return { bits: 32, value: v4 }
  const v6 = text.includes(':') ? parseV6(text) : undefined
  if (v6 === undefined) return undefined
  // An IPv4 address that came over an IPv6 socket is still that address.
  return v6 >> 32n === 0xffffn ? { bits: 32, value: v6 & 0xffffffffn } : { bits: 128, value: v6 }
}

function parseNetwork(text: string): (Parsed & { host: bigint }) | undefined {
  const [address = '', length, ...rest] = text.split('/')
  const parsed = parseAddress(address)
  const isMapped = parsed?.bits === 32 && address.includes(':')
  if (!parsed || rest.length > 0 || isMapped) return undefined
  if (length !== undefined && !(BYTE.test(length) && Number(length) <= parsed.bits)) return undefined
  return { ...parsed, host: BigInt(parsed.bits - Number(length ?? parsed.bits)) }
}

/** Whether this is an IPv4 or IPv6 address, or a network of them in CIDR notation. */
export function isNetwork(text: string): boolean {
  return parseNetwork(text) !== undefined
}

/** Whether the address lies in one of the networks; what is no address lies in none. */
export function isWithin(address: string, networks: readonly string[]): boolean {
  const parsed = parseAddress(address)
  if (!parsed) return false
  return networks.some((text) => {
    const network = parseNetwork(text)
    return network?.bits === parsed.bits && network.value >> network.host === parsed.value >> network.host
  })
}
