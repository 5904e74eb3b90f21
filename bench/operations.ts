/** Who asks: with a conversation, tasks to read and to change, and tasks that wait to be completed. */
export type Person = {
  userId: string
  sessionId: string
  accessToken: string
  refreshToken: string
  conversationId: string
  taskIds: string[]
  openIds: string[]
}
export type Ask = { method: string; path: string; body?: string; headers?: Record<string, string> }

export const TURN_TEXT = 'remind me to call the dentist tomorrow at 9'
// In the order of the schema, as the verbs get it.
const NEW_TASK = {
  notes: 'Ask for the morning',
  priority: 'high',
  labels: ['health', 'calls'],
  due: { date: '2030-05-17', time: '09:30' },
  title: 'Call the dentist',
}

const pick = (ids: string[], n: number) => ids[n % ids.length] ?? ''

/** What is measured: the nth request of a person. */
export const OPERATIONS = {
  list: () => ({ method: 'GET', path: '/v1/tasks?limit=20' }),
  get: (person, n) => ({ method: 'GET', path: `/v1/tasks/${pick(person.taskIds, n)}` }),
  create: () => ({ method: 'POST', path: '/v1/tasks', body: JSON.stringify(NEW_TASK) }),
  update: (person, n) => ({
    method: 'PATCH',
    path: `/v1/tasks/${pick(person.taskIds, n)}`,
    body: JSON.stringify({ priority: 'low', title: `Call the dentist, try ${n}` }),
    headers: { 'if-match': '*' },
  }),
  complete: (person, n) => ({ method: 'POST', path: `/v1/tasks/${pick(person.openIds, n)}/complete` }),
  refresh: ({ refreshToken }) => ({
    method: 'POST',
    path: '/v1/auth/refresh',
    body: JSON.stringify({ refreshToken }),
  }),
  turn: ({ conversationId }) => ({
    method: 'POST',
    path: `/v1/conversations/${conversationId}/messages`,
    body: JSON.stringify({ text: TURN_TEXT }),
    headers: { accept: 'text/event-stream' },
  }),
} satisfies Record<string, (person: Person, n: number) => Ask>

export type Operation = keyof typeof OPERATIONS

// The type of Object.keys forgets which keys.
export const OPERATION_NAMES = Object.keys(OPERATIONS) as Operation[]

/** What tells others of what it did: its events are handled after its answer. */
export const HAS_EVENTS = new Set<Operation>(['create', 'update', 'complete', 'turn'])
