import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import { z } from 'zod'

const MAX_RECIPIENTS = 1000
const MAX_ARGS_BYTES = 10_000
// Names that Mail Send keeps for itself.
const RESERVED =
  /^(x-sg-id|x-sg-eid|received|dkim-signature|content-type|content-transfer-encoding|to|from|subject|reply-to|cc|bcc)$/i
const ORDER = ['text/plain', 'text/x-amp-html', 'text/html']

const Person = z.strictObject({ email: z.email(), name: z.string().optional() })
const Recipient = Person.extend({
  name: z
    .string()
    .regex(/^[^;,]*$/)
    .optional(),
})
const Recipients = z.array(Recipient)
const Args = z.record(z.string(), z.string())
const Headers = z.record(
  z
    .string()
    .regex(/^[\x21-\x39\x3b-\x7e]+$/)
    .refine((name) => !RESERVED.test(name)),
  z.string().regex(/^[^\r\n]*$/),
)
const Switch = z.strictObject({ enable: z.boolean() })
const Mail = z.strictObject({
  personalizations: z
    .array(
      z.strictObject({
        to: Recipients.min(1),
        cc: Recipients.optional(),
        bcc: Recipients.optional(),
        subject: z.string().min(1).optional(),
        custom_args: Args.optional(),
        headers: Headers.optional(),
      }),
    )
    .min(1)
    .max(1000),
  // The documentation: no Unicode here.
  from: Person.extend({
    name: z
      .string()
      .regex(/^[\x20-\x7e]*$/)
      .optional(),
  }),
  reply_to: Person.optional(),
  subject: z.string().min(1),
  content: z
    .array(z.strictObject({ type: z.string().regex(/^[^;\r\n]+$/), value: z.string().min(1) }))
    .min(1)
    .refine((parts) => isSorted(parts.map(({ type }) => ORDER.indexOf(type)))),
  headers: Headers.optional(),
  categories: z
    .array(z.string().max(255))
    .max(10)
    .refine((names) => new Set(names).size === names.length)
    .optional(),
  custom_args: Args.optional(),
  tracking_settings: z
    .strictObject({
      click_tracking: z.strictObject({ enable: z.boolean(), enable_text: z.boolean() }).optional(),
      open_tracking: Switch.optional(),
      subscription_tracking: Switch.optional(),
    })
    .optional(),
})
export type Accepted = z.infer<typeof Mail>

const isSorted = (ranks: number[]) => ranks.every((rank, at) => at === 0 || rank >= (ranks[at - 1] ?? 0))

type Failure = { status: number; headers?: Record<string, string> }
type Problem = { message: string; field: string | null; help: string | null }

/** SendGrid's v3 Mail Send on loopback, from its public contract: it refuses what the real one refuses. */
export async function startSendGrid() {
  const apiKey = `SG.${randomBytes(16).toString('base64url')}`
  const accepted: Accepted[] = []
  const failures: (Failure | 'break')[] = []
  const server = createServer(async (request, response) => {
    const text = await readBody(request)
    const failure = failures.shift()
    // It was heard, and its answer was lost.
    if (failure === 'break') {
      accepted.push(Mail.parse(JSON.parse(text)))
      return void request.socket.destroy()
    }
    const problem = failure ? { status: failure.status, errors: [] } : problemOf(request, text, apiKey)
    if (!problem) {
      accepted.push(Mail.parse(JSON.parse(text)))
      return void response.writeHead(202, { 'x-message-id': randomBytes(11).toString('base64url') }).end()
    }
    response.writeHead(problem.status, { 'content-type': 'application/json', ...failure?.headers })
    response.end(JSON.stringify({ errors: problem.errors }))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  const port = typeof address === 'object' && address ? address.port : 0
  return {
    url: `http://127.0.0.1:${port}`,
    apiKey,
    accepted,
    /** How the next requests end, whatever they say; `break`: taken, and then the connection breaks. */
    fail: (...next: (Failure | 'break')[]) => void failures.push(...next),
    async stop() {
      const closed = new Promise((resolve) => server.close(resolve))
      server.closeAllConnections()
      await closed
    },
  }
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk)
  return Buffer.concat(chunks).toString('utf8')
}

function problemOf(request: IncomingMessage, text: string, apiKey: string) {
  const { method, url, headers } = request
  if (url !== '/v3/mail/send') return refuse(404, 'not found', null)
  if (method !== 'POST') return refuse(405, 'method not allowed', null)
  if (headers.authorization !== `Bearer ${apiKey}`)
    return refuse(401, 'The provided authorization grant is invalid, expired, or revoked', null)
  if (!headers['content-type']?.startsWith('application/json'))
    return refuse(415, 'Content-Type should be application/json.', null)
  const parsed = Mail.safeParse(toJson(text))
  if (!parsed.success) {
    const [issue] = parsed.error.issues
    return refuse(400, `${issue?.message}`, issue?.path.join('.') || null)
  }
  const { personalizations, custom_args } = parsed.data
  const people = personalizations.flatMap(({ to, cc = [], bcc = [] }) => [to, cc, bcc].flat())
  if (people.length > MAX_RECIPIENTS)
    return refuse(400, 'There is a limit of 1000 total recipients', 'personalizations')
  for (const { to, cc = [], bcc = [] } of personalizations) {
    const all = [to, cc, bcc].flat().map(({ email }) => email.toLowerCase())
    if (new Set(all).size < all.length) return refuse(400, 'included an address more than once', 'personalizations')
  }
  const args = personalizations.map((one) => ({ ...custom_args, ...one.custom_args }))
  if (args.some((one) => Buffer.byteLength(JSON.stringify(one)) >= MAX_ARGS_BYTES))
    return refuse(400, 'The total length of custom arguments is too long', 'custom_args')
  return undefined
}

function refuse(status: number, message: string, field: string | null) {
  const errors: Problem[] = [{ message, field, help: null }]
  return { status, errors }
}

function toJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
