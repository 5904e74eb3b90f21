export type ServerEvent = { id: string; event: string; data: Record<string, unknown> }

/** Server-sent events as they come; what is not JSON is left out. */
export async function* readEvents(body: ReadableStream<Uint8Array>): AsyncGenerator<ServerEvent> {
  let buffer = ''
  const decoder = new TextDecoder()
  for await (const chunk of body) {
    buffer += decoder.decode(chunk, { stream: true })
    const blocks = buffer.split('\n\n')
    buffer = blocks.pop() ?? ''
    for (const block of blocks) {
      const event = readBlock(block)
      if (event) yield event
    }
  }
}

function readBlock(block: string): ServerEvent | undefined {
  const fields = { id: '', event: '', data: '' }
  for (const line of block.split('\n')) {
    const [, name, value = ''] = /^(id|event|data): ?(.*)$/.exec(line) ?? []
    if (name === 'id' || name === 'event') fields[name] = value
    else if (name === 'data') fields.data += value
  }
  if (fields.event === '') return undefined
  try {
    const data: unknown = JSON.parse(fields.data)
    return { ...fields, data: typeof data === 'object' && data !== null ? { ...data } : {} }
  } catch {
    return undefined
  }
}
