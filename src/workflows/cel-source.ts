import type { ASTNode } from '@marcbachmann/cel-js'

/** A name an expression reads: `facts.overdue` is `{root: 'facts', member: 'overdue'}`. */
export type Use = { root: string; member: string | null }
export type Metered = { source: string; uses: Use[] }

const MAX_NESTING = 3
const MACROS = new Set(['all', 'exists', 'exists_one', 'map', 'filter'])
// Of what the language knows, what ends soon: no regular expression, no bytes, no binding of one name to another.
const FUNCTIONS = new Set([
  ...MACROS,
  ...['has', 'size', 'string', 'int', 'double', 'bool', 'dyn', 'type', 'timestamp', 'duration'],
  ...['contains', 'startsWith', 'endsWith', 'lowerAscii', 'upperAscii', 'trim', 'indexOf', 'lastIndexOf'],
  ...['substring', 'split', 'join'],
  ...['getDate', 'getDayOfMonth', 'getDayOfWeek', 'getFullYear', 'getHours', 'getMilliseconds', 'getMinutes'],
  ...['getMonth', 'getSeconds'],
  ...[
    'daysBetween',
    'minutesBetween',
    'weekday',
    'clock',
    'day',
    'plural',
    'money',
    'first',
    'orElse',
    'cronAt',
    'addDays',
    'addMinutes',
  ],
])
// These ask the calendar of a zone, a hundred times the work of a comparison.
const DEAR = /^(?:get[A-Z].*|clock|day|weekday|money|daysBetween|minutesBetween)$/
const DEAR_COST = 100

/** What an expression may not hold, said to whoever wrote it. */
export class Refused extends Error {}

type Names = { bound: string[]; uses: Map<string, Use> }

function sizeOf(node: ASTNode): number {
  return 1 + childrenOf(node).reduce((sum, child) => sum + sizeOf(child), 0)
}

function childrenOf(node: ASTNode): ASTNode[] {
  switch (node.op) {
    case 'value':
    case 'id':
      return []
    case '.':
    case '.?':
      return [node.args[0]]
    case 'call':
      return node.args[1]
    case 'rcall':
      return [node.args[1], ...node.args[2]]
    case 'map':
      return node.args.flat()
    case '!_':
    case '-_':
      return [node.args]
    default:
      return node.args
  }
}

// The meter has a name too, and nobody else may read it nor be called so.
function requirePublic(name: string): void {
  if (name.endsWith('__')) throw new Refused(`${name} is no name to use`)
}

function use(names: Names, root: string, member: string | null): void {
  requirePublic(root)
  if (!names.bound.includes(root)) names.uses.set(`${root}.${member ?? ''}`, { root, member })
}

function access(node: ASTNode & { op: '.' | '[]' }, names: Names): string {
  const [of] = node.args
  const field = node.op === '.' ? node.args[1] : node.args[1].op === 'value' ? node.args[1].args : undefined
  let left: string
  if (of.op === 'id' && typeof field === 'string') {
    use(names, of.args, field)
    left = of.args
  } else left = emit(of, names)
  return node.op === '.' ? `${left}.${node.args[1]}` : `${left}[${emit(node.args[1], names)}]`
}

function comprehension(name: string, over: ASTNode, given: ASTNode[], names: Names): string {
  const [variable, ...bodies] = given
  if (variable?.op !== 'id') throw new Refused(`${name}() begins with the name of its variable`)
  requirePublic(variable.args)
  if (names.bound.length >= MAX_NESTING) throw new Refused(`lists may be walked ${MAX_NESTING} deep at most`)
  const inner = { ...names, bound: [...names.bound, variable.args] }
  const cost = bodies.reduce((sum, body) => sum + sizeOf(body), 1)
  const written = bodies.map((body) => emit(body, inner)).join(', ')
  return `over__(meter__, ${cost}, ${emit(over, names)}).${name}(${variable.args}, ${written})`
}

function call(name: string, receiver: ASTNode | null, given: ASTNode[], names: Names): string {
  if (!FUNCTIONS.has(name)) throw new Refused(`${name}() is not offered`)
  if (receiver && MACROS.has(name)) return comprehension(name, receiver, given, names)
  if (name === 'has') return `has(${given.map((arg) => emit(arg, names)).join(', ')})`
  const weighed = (node: ASTNode) => `weigh__(meter__, ${DEAR.test(name) ? DEAR_COST : 1}, ${emit(node, names)})`
  const written = given.map(weighed).join(', ')
  return `sized__(meter__, ${receiver ? `${weighed(receiver)}.` : ''}${name}(${written}))`
}

/** The expression again, each place where work can grow put under the meter. Throws `Refused`. */
function emit(node: ASTNode, names: Names): string {
  switch (node.op) {
    case 'value':
      return node.input.slice(node.range.start, node.range.end)
    case 'id':
      use(names, node.args, null)
      return node.args
    case '.':
    case '[]':
      return access(node, names)
    case 'call':
      return call(node.args[0], null, node.args[1], names)
    case 'rcall':
      return call(node.args[0], node.args[1], node.args[2], names)
    case 'list':
      return `[${node.args.map((one) => emit(one, names)).join(', ')}]`
    case 'map':
      return `{${node.args.map(([key, value]) => `${emit(key, names)}: ${emit(value, names)}`).join(', ')}}`
    case '?:': {
      const [when, yes, no] = node.args
      return `(${emit(when, names)} ? ${emit(yes, names)} : ${emit(no, names)})`
    }
    case '!_':
    case '-_':
      return `(${node.op[0]}${emit(node.args, names)})`
    case '==':
    case '!=':
    case 'in': {
      const [left, right] = node.args.map((side) => `weigh__(meter__, 1, ${emit(side, names)})`)
      return `(${left} ${node.op} ${right})`
    }
    case '+':
      return `sized__(meter__, ${emit(node.args[0], names)} + ${emit(node.args[1], names)})`
    case '-':
    case '*':
    case '/':
    case '%':
    case '<':
    case '<=':
    case '>':
    case '>=':
    case '&&':
    case '||':
      return `(${emit(node.args[0], names)} ${node.op} ${emit(node.args[1], names)})`
    case '.?':
    case '[?]':
      throw new Refused('optional access is not offered')
  }
}

export function metered(node: ASTNode): Metered {
  const names: Names = { bound: [], uses: new Map() }
  const source = emit(node, names)
  return { source, uses: [...names.uses.values()] }
}
