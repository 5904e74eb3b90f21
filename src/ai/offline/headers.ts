import { findProject } from './attributes.ts'
import { bare } from './clauses.ts'
import type { Intent, World } from './intent.ts'
import { raw, re, reG } from './pattern.ts'
import { draftOf } from './read-create.ts'
import { readWhen, type When } from './when.ts'
import { sentence } from './words.ts'

type Header = { when?: When; projectId?: string; list?: string; remind: boolean }

/** "tomorrow:", "groceries:", "todo for friday:" above a list. */
function headerOf(line: string, world: World): Header | undefined {
  const m = /^(.{2,60}?)\s*:$/.exec(line.trim())
  if (!m?.[1]) return undefined
  const read = readWhen(m[1], world.clock)
  const rest = read.rest
    .replace(
      reG(
        raw`\b(?:please|add|these|the following|following|tasks?|to-?dos?|todos?|to do|things to do|`,
        raw`list|for|on|my|reminders?|remind me(?: to| of| about)?|stuff|i need to|i have to|all|create|`,
        raw`as|new|items)\b`,
      ),
      ' ',
    )
    .trim()
  const header: Header = { remind: /remind/i.test(m[1]), ...(read.when ? { when: read.when } : {}) }
  if (rest === '') return header
  const project = findProject(rest, world.projects)
  if (project) return { ...header, projectId: project.id }
  return /\b(?:list|groceries|grocery|shopping|packing)\b/i.test(m[1]) ? { ...header, list: sentence(rest) } : undefined
}

const MANY = re(
  raw`^(?:please )?(?:add|create|make|new|set up)(?: me)? `,
  raw`(?:these |the following |\d{1,2} |two |three |four |five |some |a few )*(?:new )?`,
  raw`(?:tasks|todos|to-dos|reminders|things|items)(?: (.{2,40}?))?\s*:\s*([^]+)$`,
)

export function underHeader(said: string, world: World): Intent[] | undefined {
  const many = MANY.exec(said)
  const text = many?.[2]
    ? `tasks ${many[1] ?? ''}:\n${many[2].split(/\s*(?:,|;|\n|\band\b(?= \w+ \w))\s*/i).join('\n')}`
    : said
  const [first, ...rows] = text
    .split('\n')
    .map((r) => r.trim())
    .filter(Boolean)
  const header = first && rows.length > 0 ? headerOf(first, world) : undefined
  if (!header) return undefined
  const drafts = rows.map((row) => {
    const draft = draftOf(bare(row.replace(/^\s*(?:[-*\u2022]+|\d{1,2}[.)]|\[ ?\])\s+/, '')), world, header.remind)
    const when = draft.when ?? header.when
    return { ...draft, ...(when ? { when } : {}), ...(header.projectId ? { projectId: header.projectId } : {}) }
  })
  const named = drafts.filter((d) => d.title !== '').slice(0, 30)
  if (header.list) return [{ kind: 'fill', list: header.list, items: named }]
  return named.map((draft) => ({ kind: 'create', draft }))
}
