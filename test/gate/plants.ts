/** A file that breaks one rule, and what refuses it: the rule's name or a plugin's message. */
export type Plant = readonly [path: string, code: string, refusedBy: string]

const RELATIVE = "Leave a folder by a front door: import '#name', not a relative path."
const HONO = 'Hono lives in routes.ts, src/core and workers/: a verb never sees a request.'
const TABLES = "Another domain's tables are for foreign keys and tests: call its verb."
const SCHEMA = 'A schema imports zod and its helpers, ./tables.ts, other schemas and front doors.'
const OPENED = 'Routes are opened by the first request to them, in workers/domains.ts.'
const ONLY_DRIZZLE = "tables.ts imports drizzle and '#x/tables' only: drizzle-kit reads it alone."
const NO_SQL = 'A route parses, calls a verb and responds: no SQL here.'
const RE_EXPORTS = 'A front door holds named re-exports only.'
const CLASS = 'Functions, not classes: a class is a Durable Object, a Workflow or an error.'
const TIMER = 'A timer that must fire is a named timer.'
const WHERE = 'A delete or update names its rows: .where(…).'
const NOW = 'The time is ctx.now().'

const takes = (source: string) => `import { x } from '${source}'\n\nexport const y = x\n`
const says = (expression: string) => `export const y = ${expression}\n`
const tests = (call: string) =>
  `import { expect, test } from 'vitest'\n\n${call}('it holds', () => expect(1).toBe(1))\n`

export const PLANTS: Plant[] = [
  // Tiers
  ['src/core/up.ts', takes('#users'), 'Foundation imports foundation only.'],
  ['src/queue/tables-up.ts', takes('#tasks/tables'), 'Foundation imports foundation only.'],
  [
    'src/queue/type-up.ts',
    "import type { X } from '#tasks'\n\nexport type Y = X\n",
    'Foundation imports foundation only.',
  ],
  ['src/queue/export-up.ts', "export { x } from '#tasks'\n", 'Foundation imports foundation only.'],
  ['src/queue/dynamic-up.ts', says("await import('#tasks')"), 'Foundation imports foundation only.'],
  ['src/search/up.ts', takes('#auth'), 'A capability imports capabilities and foundation.'],
  ['src/tasks/up.ts', takes('#assistant'), 'Product does not import orchestration.'],
  ['src/elsewhere/new.ts', takes('#core'), "Name this folder's tier in biome.json."],
  ['src/audit/cycle-a.ts', "import { b } from './cycle-b.ts'\n\nexport const a = () => b\n", 'noImportCycles'],
  ['src/audit/cycle-b.ts', "import { a } from './cycle-a.ts'\n\nexport const b = () => a\n", 'noImportCycles'],
  // Doors
  ['src/tasks/inside.ts', takes('../users/me.ts'), RELATIVE],
  ['src/tasks/disguised.ts', takes('./../users/me.ts'), RELATIVE],
  ['src/ai/offline/inside.ts', takes('../../users/me.ts'), RELATIVE],
  ['workers/inside.ts', takes('../src/users/me.ts'), RELATIVE],
  ['src/core/shell.ts', takes('../../workers/app.ts'), RELATIVE],
  ['src/tasks/inside.test.ts', takes('../users/me.ts'), RELATIVE],
  ['bench/inside.ts', takes('../src/users/me.ts'), "Enter a domain by its front door: import '#name'."],
  ['src/tasks/others-tables.ts', takes('#users/tables'), TABLES],
  ['workers/tables.ts', takes('#users/tables'), TABLES],
  ['src/mcp/others-routes.ts', takes('#tasks/routes'), OPENED],
  ['workers/eager.ts', takes('#tasks/routes'), OPENED],
  ['workers/elsewhere.ts', says("await import('#tasks/routes')"), OPENED],
  ['src/tasks/helper.ts', takes('#test/factories'), 'Product code does not import test helpers.'],
  // Homes
  ['src/assistant/anthropic.ts', takes('@anthropic-ai/sdk'), 'The Anthropic SDK lives in src/ai.'],
  ['src/auth/paddle.ts', takes('@paddle/paddle-node-sdk'), 'The Paddle SDK lives in src/billing.'],
  ['src/users/arctic.ts', takes('arctic'), 'arctic lives in src/auth and src/integrations.'],
  ['src/auth/webauthn-two.ts', takes('@simplewebauthn/server'), 'SimpleWebAuthn lives in src/auth/webauthn.ts.'],
  ['workers/jose.ts', takes('jose'), 'jose lives in src/auth and src/security.'],
  ['src/auth/argon.ts', takes('@phi-ag/argon2'), 'Argon2 lives in src/security.'],
  ['src/tasks/chrono.ts', takes('chrono-node/en'), 'chrono-node lives in src/ai.'],
  ['src/tasks/calendar.ts', takes('temporal-polyfill'), 'Calendars are reckoned in src/core and src/ai.'],
  ['src/tasks/driver.ts', takes('drizzle-orm/neon-http'), 'The database driver lives in src/database.'],
  ['src/tasks/neon.ts', takes('@neondatabase/serverless'), 'The database driver lives in src/database.'],
  ['workers/sql.ts', takes('drizzle-orm'), 'SQL lives in src: the shell calls verbs.'],
  ['src/tasks/context.ts', takes('hono'), HONO],
  ['src/tasks/lazy.ts', says("await import('hono')"), HONO],
  ['src/mail/routes.ts', takes('hono/http-exception'), 'Throw AppError: src/core turns it into an answer.'],
  ['src/realtime/object.ts', takes('cloudflare:workers'), 'cloudflare:* lives in workers/: the core runs anywhere.'],
  ['src/core/ambient.ts', takes('node:async_hooks'), 'Context is the first parameter, not ambient.'],
  ['src/scheduler/wait.ts', takes('node:timers/promises'), TIMER],
  ['src/core/unlisted.ts', takes('left-pad'), 'noUndeclaredDependencies'],
  ['src/core/dev-only.ts', takes('vitest'), 'noUndeclaredDependencies'],
  // Kinds of file
  ['src/tasks/routes.ts', takes('drizzle-orm'), NO_SQL],
  ['src/users/routes.ts', takes('./tables.ts'), NO_SQL],
  ['src/tasks/schema.ts', takes('drizzle-orm'), SCHEMA],
  ['src/users/schema.ts', takes('./me.ts'), SCHEMA],
  ['src/tasks/tables.ts', takes('#core'), ONLY_DRIZZLE],
  ['src/voice/index.ts', "import { x } from './x.ts'\n\nexport { x }\n", RE_EXPORTS],
  ['src/email/index.ts', 'export const x = 1\n', RE_EXPORTS],
  ['src/audit/index.ts', "export { x } from '#core'\n", 'A front door re-exports its own folder.'],
  [
    'src/memories/index.ts',
    "export { app } from './routes.ts'\n",
    "Routes are opened by the first request to them: workers/domains.ts imports '#x/routes'.",
  ],
  ['src/cache/index.ts', "export { x } from './tables.ts'\n", 'Tables are not for other domains: export a verb.'],
  ['src/storage/index.ts', "export * from './x.ts'\n", 'Re-export by name.'],
  ['src/search/index.ts', `export {\n${'  x,\n'.repeat(45)}} from './x.ts'\n`, 'noExcessiveLinesPerFile'],
  ['src/tasks/long.ts', 'export const x = 1\n'.repeat(301), 'noExcessiveLinesPerFile'],
  ['workers/long.ts', 'export const x = 1\n'.repeat(201), 'noExcessiveLinesPerFile'],
  ['src/tasks/camelCase.ts', says('1'), 'useFilenamingConvention'],
  // What product code does not say
  ['src/tasks/date.ts', says('new Date()'), NOW],
  ['src/tasks/date-now.ts', says('Date.now()'), 'noJsRestrictedProperties'],
  ['src/tasks/temporal.ts', says('Temporal.Now.instant()'), 'noJsRestrictedProperties'],
  ['src/tasks/random.ts', says('Math.random()'), 'noJsRestrictedProperties'],
  [
    'src/tasks/raw.ts',
    "import { sql } from 'drizzle-orm'\n\nexport const y = sql.raw('1')\n",
    'noJsRestrictedProperties',
  ],
  ['src/tasks/delete.ts', says('await ctx.db.delete(tasks)'), WHERE],
  ['src/tasks/update.ts', says('await db.update(tasks).set({ title }).returning()'), WHERE],
  ['src/tasks/relational.ts', says('ctx.db.query.tasks'), 'Core query builder only: db.select, not db.query.'],
  ['src/tasks/timeout.ts', 'setTimeout(() => null, 1)\n', 'noRestrictedGlobals'],
  ['workers/interval.ts', 'setInterval(() => null, 1)\n', 'noRestrictedGlobals'],
  ['src/config/process.ts', says('process.version'), 'noRestrictedGlobals'],
  ['workers/env.ts', says('process.env.KEY'), 'noProcessEnv'],
  ['src/config/meta.ts', says('import.meta.env.KEY'), 'Config is parsed once: readConfig(env).'],
  ['src/tasks/console.ts', "console.log('x')\n", 'noConsole'],
  ['src/tasks/class.ts', 'export class TaskService {\n  x = 1\n}\n', CLASS],
  [
    'workers/private.ts',
    'export class X extends DurableObject {\n  private x = 1\n}\n',
    'useConsistentMemberAccessibility',
  ],
  ['src/tasks/enum.ts', 'export enum X {\n  A,\n}\n', 'noEnum'],
  ['src/tasks/any.ts', 'export const x = (y: any) => y\n', 'noExplicitAny'],
  ['src/tasks/cast.ts', 'export const x = (y: unknown) => y as string\n', 'noUnsafeTypeAssertion'],
  ['src/tasks/bang.ts', 'export const x = (y?: string) => y!.length\n', 'noNonNullAssertion'],
  ['src/tasks/default.ts', 'export default 1\n', 'noDefaultExport'],
  [
    'src/tasks/inline-type.ts',
    "export type X = import('#assistant').Y\n",
    'Import types at the top, where the boundaries are checked.',
  ],
  ['src/tasks/floating.ts', 'async function x() {\n  await fetch("")\n}\nx()\n', 'noFloatingPromises'],
  [
    'src/tasks/cases.ts',
    "export function f(x: 'a' | 'b') {\n  switch (x) {\n    case 'a':\n      return 1\n  }\n}\n",
    'useExhaustiveSwitchCases',
  ],
  ['src/tasks/ignored.ts', '// @ts-ignore\nexport const x: string = 1\n', 'noTsIgnore'],
  ['src/tasks/empty.ts', 'export function f() {\n  try {\n    g()\n  } catch {}\n}\n', 'noEmptyBlockStatements'],
  ['src/tasks/extension.ts', takes('./enum'), 'useImportExtensions'],
  ['src/tasks/unused.ts', 'const x = 1\n', 'noUnusedVariables'],
  ['src/tasks/format.ts', 'export const x = "double";\n', 'format'],
  // What a test does not say
  ['src/tasks/only.test.ts', tests('test.only'), 'noFocusedTests'],
  ['src/tasks/skip.test.ts', tests('test.skip'), 'noSkippedTests'],
  ['src/tasks/mock.test.ts', "import { vi } from 'vitest'\n\nvi.mock('#users')\n", 'Fake the wire, not the module.'],
]

/** Files that break nothing, though each is near a rule. */
export const FINE: (readonly [path: string, code: string])[] = [
  ['src/proactivity/all.ts', takes('#tasks')],
  ['src/tasks/down.ts', takes('#users')],
  ['src/auth/sideways.ts', takes('#tasks')],
  ['src/ai/anthropic.ts', takes('@anthropic-ai/sdk')],
  ['src/ai/offline/chrono.ts', takes('chrono-node/en')],
  ['src/ai/offline/parent.ts', takes('../fine.ts')],
  ['src/ai/fine.ts', says('1').replace('y', 'x')],
  ['src/core/clock.ts', says('new Date()')],
  ['src/core/timeout.ts', 'setTimeout(() => null, 1)\n'],
  ['src/core/log.ts', "console.log('x')\n"],
  ['src/core/error.ts', 'export class AppError extends Error {}\n'],
  ['src/core/given.ts', 'export const y = (ms: number) => new Date(ms)\n'],
  ['src/auth/tables.ts', takes('#users/tables')],
  ['src/auth/routes.ts', takes('hono')],
  ['src/auth/schema.ts', takes('@hono/zod-openapi')],
  ['src/auth/index.ts', "export { type X, y } from './down.ts'\nexport * as s from './schema.ts'\n"],
  ['src/auth/rows.ts', says('ctx.db.with(old).delete(rows).where(mine)')],
  ['src/auth/own.test.ts', "import { x } from '#test/factories'\n\nexpect(new Date()).toBe(x as string)\n"],
  ['workers/index.ts', "import { x } from '#assistant'\n\nexport default { fetch: () => x }\n"],
  ['workers/domains.ts', says("() => import('#tasks/routes')")],
  [
    'workers/object.ts',
    "import { DurableObject } from 'cloudflare:workers'\n\nexport class X extends DurableObject<Env> {\n  #x = 1\n  y = () => this.#x\n}\n",
  ],
  ['local/tool.ts', says('process.env.KEY')],
]
