/**
 * The tools, resources and prompts that the conformance suite asks a server for, put around ours in a build of the
 * tests: production has none of them, nor the capabilities (logging, prompts, completions, subscriptions, requests
 * to the client) that only they need. A tool without a stream and a resource go through our own dispatch.
 */
type Json = Record<string, unknown>
type Method<C> = (ctx: C, params: Json) => Promise<object> | object
type Served = { status: number; body: object | null }
type Serve<C> = (
  ctx: C,
  sent: unknown,
  version: string | undefined,
  methods: Record<string, Method<C>>,
) => Promise<Served>
type Port = { notify(method: string, params: Json): void; ask(method: string, params: Json): Promise<unknown> }

const PNG = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFAAH/q842iQAAAABJRU5ErkJggg=='
const WAV = 'UklGRiYAAABXQVZFZm10IBAAAAABAAEAQB8AAAB9AAACABAAZGF0YQIAAAA='
const ANY = { type: 'object' }

const text = (said: string) => ({ type: 'text', text: said })
const image = { type: 'image', data: PNG, mimeType: 'image/png' }
const resource = (uri: string, mimeType: string, said: string) => ({
  type: 'resource',
  resource: { uri, mimeType, text: said },
})

const TOOLS: Record<string, object[]> = {
  test_simple_text: [text('This is a simple text response for testing.')],
  test_image_content: [image],
  test_audio_content: [{ type: 'audio', data: WAV, mimeType: 'audio/wav' }],
  test_embedded_resource: [resource('test://embedded-resource', 'text/plain', 'This is an embedded resource content.')],
  test_multiple_content_types: [
    text('Multiple content types test:'),
    image,
    resource('test://mixed-content-resource', 'application/json', '{"test":"data","value":123}'),
  ],
  test_error_handling: [text('This tool intentionally returns an error for testing')],
  json_schema_2020_12_tool: [text('JSON Schema 2020-12')],
}

const SCHEMA_2020_12 = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  type: 'object',
  $defs: { address: { type: 'object', properties: { street: { type: 'string' }, city: { type: 'string' } } } },
  properties: { name: { type: 'string' }, address: { $ref: '#/$defs/address' } },
  additionalProperties: false,
}

const titled = (...names: string[]) => names.map((title, i) => ({ const: `value${i + 1}`, title }))
const OPTIONS = ['option1', 'option2', 'option3']
const FORMS: Record<string, Json> = {
  test_elicitation: { username: { type: 'string' }, email: { type: 'string' } },
  test_elicitation_sep1034_defaults: {
    name: { type: 'string', default: 'John Doe' },
    age: { type: 'integer', default: 30 },
    score: { type: 'number', default: 95.5 },
    status: { type: 'string', enum: ['active', 'inactive', 'pending'], default: 'active' },
    verified: { type: 'boolean', default: true },
  },
  test_elicitation_sep1330_enums: {
    untitledSingle: { type: 'string', enum: OPTIONS },
    titledSingle: { type: 'string', oneOf: titled('First Option', 'Second Option', 'Third Option') },
    legacyEnum: { type: 'string', enum: ['opt1', 'opt2', 'opt3'], enumNames: ['One', 'Two', 'Three'] },
    untitledMulti: { type: 'array', items: { type: 'string', enum: OPTIONS } },
    titledMulti: { type: 'array', items: { anyOf: titled('First Choice', 'Second Choice', 'Third Choice') } },
  },
}

const pause = () => new Promise((resolve) => setTimeout(resolve, 50))

async function elicit(name: string, { message }: Json, port: Port) {
  const requestedSchema = { type: 'object', properties: FORMS[name] }
  const answer = await port.ask('elicitation/create', { message: message ?? 'Please tell', requestedSchema })
  return [text(`Elicitation completed: ${JSON.stringify(answer)}`)]
}

type Streamed = (given: Json, port: Port, token: unknown) => Promise<object[]>
const STREAMED: Record<string, Streamed> = {
  ...Object.fromEntries(
    Object.keys(FORMS).map((name): [string, Streamed] => [name, (given, port) => elicit(name, given, port)]),
  ),
  test_tool_with_logging: async (_given, port) => {
    for (const data of ['Tool execution started', 'Tool processing data', 'Tool execution completed']) {
      port.notify('notifications/message', { level: 'info', data })
      await pause()
    }
    return [text('Logged')]
  },
  test_tool_with_progress: async (_given, port, progressToken) => {
    for (const progress of [0, 50, 100]) {
      if (progressToken !== undefined) port.notify('notifications/progress', { progressToken, progress, total: 100 })
      await pause()
    }
    return [text('Progressed')]
  },
  test_sampling: async ({ prompt }, port) => {
    const messages = [{ role: 'user', content: text(String(prompt)) }]
    return [
      text(`LLM response: ${JSON.stringify(await port.ask('sampling/createMessage', { messages, maxTokens: 100 }))}`),
    ]
  },
}

const said = (content: object) => ({ role: 'user', content })
const PROMPTS: Record<string, (given: Json) => object[]> = {
  test_simple_prompt: () => [said(text('This is a simple prompt for testing.'))],
  test_prompt_with_arguments: ({ arg1, arg2 }) => [said(text(`Prompt with arguments: arg1='${arg1}', arg2='${arg2}'`))],
  test_prompt_with_embedded_resource: ({ resourceUri }) => [
    said(resource(String(resourceUri), 'text/plain', 'Embedded resource content for testing.')),
    said(text('Please process the embedded resource above.')),
  ],
  test_prompt_with_image: () => [said(image), said(text('Please analyze the image above.'))],
}
const ARGUMENTS: Record<string, string[]> = {
  test_prompt_with_arguments: ['arg1', 'arg2'],
  test_prompt_with_embedded_resource: ['resourceUri'],
}

const RESOURCES: Record<string, Json> = {
  'test://static-text': { mimeType: 'text/plain', text: 'This is the content of the static text resource.' },
  'test://static-binary': { mimeType: 'image/png', blob: PNG },
}

function find(uri: string): Json | undefined {
  const id = /^test:\/\/template\/(\w+)\/data$/.exec(uri)?.[1]
  if (id === undefined) return RESOURCES[uri]
  return { mimeType: 'application/json', text: JSON.stringify({ id, templateTest: true, data: `Data for ID: ${id}` }) }
}

const isRecord = (value: unknown): value is Json => typeof value === 'object' && value !== null
const shownTools = [...Object.keys(TOOLS), ...Object.keys(STREAMED)].map((name) => ({
  name,
  description: `${name} of the conformance suite`,
  inputSchema: name === 'json_schema_2020_12_tool' ? SCHEMA_2020_12 : ANY,
}))

function methodsAround<C>(ours: Record<string, Method<C>>): Record<string, Method<C>> {
  const call = async (method: string, ctx: C, params: Json) => {
    const result = await ours[method]?.(ctx, params)
    return isRecord(result) ? result : {}
  }
  const more = async (method: string, key: string, items: object[], ctx: C, params: Json) => {
    const result = await call(method, ctx, params)
    return { ...result, [key]: [...(Array.isArray(result[key]) ? result[key] : []), ...items] }
  }
  const empty = () => ({})
  return {
    ...ours,
    initialize: async (ctx, params) => {
      const capabilities = { tools: {}, resources: { subscribe: true }, prompts: {}, logging: {}, completions: {} }
      return { ...(await call('initialize', ctx, params)), capabilities }
    },
    'tools/list': (ctx, params) => more('tools/list', 'tools', shownTools, ctx, params),
    'tools/call': (ctx, params) => {
      const content = TOOLS[String(params['name'])]
      if (!content) return call('tools/call', ctx, params)
      return { content, ...(params['name'] === 'test_error_handling' && { isError: true }) }
    },
    'resources/list': (ctx, params) => {
      const shown = Object.entries(RESOURCES).map(([uri, { mimeType }]) => ({
        uri,
        name: uri,
        description: uri,
        mimeType,
      }))
      return more('resources/list', 'resources', shown, ctx, params)
    },
    'resources/read': (ctx, params) => {
      const uri = String(params['uri'])
      const found = find(uri)
      return found ? { contents: [{ uri, ...found }] } : call('resources/read', ctx, params)
    },
    'resources/subscribe': empty,
    'resources/unsubscribe': empty,
    'logging/setLevel': empty,
    'completion/complete': () => ({ completion: { values: [], total: 0, hasMore: false } }),
    'prompts/list': () => ({
      prompts: Object.keys(PROMPTS).map((name) => ({
        name,
        description: name,
        arguments: (ARGUMENTS[name] ?? []).map((argument) => ({
          name: argument,
          description: argument,
          required: true,
        })),
      })),
    }),
    'prompts/get': (_ctx, { name, arguments: given }) => ({
      messages: PROMPTS[String(name)]?.(isRecord(given) ? given : {}) ?? [],
    }),
  }
}

const answers = new Map<string, unknown>()

function stream(id: unknown, params: Json, tool: Streamed): Response {
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>()
  const writer = writable.getWriter()
  const send = (message: Json) => {
    const line = JSON.stringify({ jsonrpc: '2.0', ...message })
    return writer.write(new TextEncoder().encode(`event: message\ndata: ${line}\n\n`))
  }
  const port: Port = {
    notify: (method, told) => void send({ method, params: told }),
    ask: async (method, asked) => {
      const key = crypto.randomUUID()
      void send({ id: key, method, params: asked })
      // Polled: a promise that another request would keep does not keep this one alive.
      for (let polls = 0; polls < 100 && !answers.has(key); polls++) await pause()
      return answers.get(key)
    },
  }
  const given = isRecord(params['arguments']) ? params['arguments'] : {}
  const token = isRecord(params['_meta']) ? params['_meta']['progressToken'] : undefined
  void tool(given, port, token)
    .then((content) => send({ id, result: { content } }))
    .finally(() => writer.close())
  return new Response(readable, { headers: { 'content-type': 'text/event-stream' } })
}

/** Our `serve` with the suite's things around it. */
export function everything<C>(serve: Serve<C>, ours: Record<string, Method<C>>) {
  const methods = methodsAround(ours)
  return async (ctx: C, sent: unknown, version: string | undefined): Promise<Served> => {
    const answer = await serve(ctx, sent, version, methods)
    if (!isRecord(sent)) return answer
    if (sent['method'] === undefined) answers.set(String(sent['id']), sent['result'])
    const params = isRecord(sent['params']) ? sent['params'] : {}
    const tool = sent['method'] === 'tools/call' ? STREAMED[String(params['name'])] : undefined
    return tool ? { status: 200, body: stream(sent['id'], params, tool) } : answer
  }
}
