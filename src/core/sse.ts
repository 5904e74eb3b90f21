const MAX_EVENT_CHARS = 4_194_304

/** The data of each server-sent event in a text, wherever it was split; what it ends within is no event. */
export async function* sseData(
  chunks: AsyncIterable<string>,
  tooLong: () => Error = () => new RangeError('an event without an end'),
): AsyncGenerator<string> {
  let rest = ''
  let data: string[] = []
  let size = 0
  for await (const chunk of chunks) {
    rest += chunk
    size += chunk.length
    if (size > MAX_EVENT_CHARS) throw tooLong()
    // A line that does not end is not searched again with each piece of it.
    if (!/[\r\n]/.test(chunk)) continue
    // The last CR may be half of a CRLF.
    const lines = rest.split(/\r\n|\n|\r(?!$)/)
    rest = lines.pop() ?? ''
    for (const line of lines) {
      if (line.startsWith('data:')) data.push(line.slice(line[5] === ' ' ? 6 : 5))
      if (line !== '') continue
      if (data.some((text) => text !== '')) yield data.join('\n')
      data = []
      size = rest.length
    }
  }
}
