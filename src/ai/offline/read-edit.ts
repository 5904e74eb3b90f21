import { findProject, priorityOf } from './attributes.ts'
import type { Intent, World } from './intent.ts'
import { raw, re } from './pattern.ts'
import { draftOf } from './read-create.ts'
import { lengthOf } from './spans.ts'
import { change } from './targets.ts'
import { readWhen } from './when.ts'
import { sentence } from './words.ts'

type Made = Intent | undefined

/** "change X to Y" where Y is no time and no priority: a new name, or a task of its own. */
export function reword(c: string, world: World): Made {
  const m =
    /^(?:change|edit|update|fix|correct|amend) (.+?) (?:to(?: say| read| be called)?|into|so it says|->) (.+)$/i.exec(c)
  if (!m?.[1] || !m[2] || priorityOf(m[2]) || readWhen(m[2], world.clock).when) return undefined
  const title = sentence(m[2].replace(/^["']|["'.]+$/g, '').replace(/ instead$/i, ''))
  const made = change(
    m[1].replace(/["']/g, '').replace(/^(?:the )?(?:name|title|text|wording) of /i, ''),
    { title },
    world,
  )
  const plain = !/["']|\bto (?:say|read)\b/i.test(c)
  return made?.kind === 'change' && plain && made.target.kind === 'named'
    ? { ...made, orCreate: draftOf(c, world, false) }
    : made
}

export function rename(c: string, world: World): Made {
  const m =
    /^(?:rename|retitle|re-name)\s+(?:the )?(.+?)\s+(?:to|as|into|->|=>)\s+(.+)$/i.exec(c) ??
    /^change (?:the )?(?:name|title|text) of (.+?) to (.+)$/i.exec(c) ??
    /^change (.+?)(?:'s)? (?:name|title) to (.+)$/i.exec(c) ??
    /^(.+?) should (?:be called|say|read|be named) (.+)$/i.exec(c) ??
    /^(?:call|name) (?:the )?(.+?)(?: task| reminder)? ["'](.+?)["'](?: instead)?$/i.exec(c) ??
    /^(?:call|name|rename) (it|that|this|that one|that task|the last one|the (?:first|second|third) one) (.+?)$/i.exec(
      c,
    )
  if (!m?.[1] || !m[2]) return undefined
  const title = sentence(m[2].replace(/\s+(?:instead|please)[.!]*$/i, '').replace(/^["']|["'.]+$/g, ''))
  return change(m[1], { title }, world)
}

export function labels(c: string, world: World): Made {
  const add =
    /^(?:tag|label) (.+?) (?:with|as|to) #?([\w-]+)$/i.exec(c) ??
    swap(/^add (?:the |a )?(?:tag|label) #?([\w-]+) (?:to|on) (.+)$/i.exec(c)) ??
    swap(/^(?:add|put) #([\w-]+) (?:to|on) (.+)$/i.exec(c)) ??
    /^(?:tag|label) (it|that|this|them) #?([\w-]+)$/i.exec(c)
  if (add?.[1] && add[2]) return change(add[1], { addLabel: add[2].toLowerCase() }, world)
  const last = /^(?:tag|label) (?:the |my )?(.+) #?([\w-]+)$/i.exec(c)
  if (last?.[1] && last[2] && !/^(?:remove|drop)/i.test(c) && !/\b(?:with|as|to|and)$/i.test(last[1]))
    return change(last[1], { addLabel: last[2].toLowerCase() }, world)
  const drop =
    swap(/^(?:remove|drop|delete|take) (?:the )?(?:tag|label) #?([\w-]+) (?:from|off) (.+)$/i.exec(c)) ??
    swap(/^(?:untag|unlabel) #?([\w-]+) (?:from|on) (.+)$/i.exec(c))
  return drop?.[1] && drop[2] ? change(drop[1], { dropLabel: drop[2].toLowerCase() }, world) : undefined
}

const swap = (m: RegExpExecArray | null): string[] | undefined => (m?.[1] && m[2] ? [m[0], m[2], m[1]] : undefined)

export function note(c: string, world: World): Made {
  const own = /^(?:add|put|leave|attach)(?: a| the)? (?:note|comment)\s*(?::|-|,|saying|that says|that)\s*(.+)$/i.exec(
    c,
  )
  if (own?.[1] && world.state.focus.length > 0) return change('it', { note: own[1].trim() }, world)
  const m =
    re(
      raw`^(?:add|put|leave|write|make|attach)(?: a| the)? (?:note|comment)s? (?:to|on|in|for|`,
      raw`under) (.+?)\s*(?::|,|\bsaying\b|\bthat says\b|\bthat\b| - )\s*(.+)$`,
    ).exec(c) ??
    swap(
      re(
        raw`^(?:add|put|leave|write|attach)(?: a| the)? (?:note|comment):? ["']?(?:saying |that says |`,
        raw`that )?(.+?)["']? (?:to|on|under) (?:the )?(.+)$`,
      ).exec(c),
    ) ??
    swap(/^(?:add|put|write) ["'](.+?)["'] (?:to|in|on) (?:the )?notes (?:of|on|for|to) (.+)$/i.exec(c)) ??
    /^(?:note|comment) (?:on|for|to) (.+?)\s*(?::|,| - )\s*(.+)$/i.exec(c)
  return m?.[1] && m[2] ? change(m[1], { note: m[2].trim() }, world) : undefined
}

export function projectOf(c: string, world: World): Made {
  const m = re(
    raw`^(?:move|put|assign|file|switch|transfer|add) (.+?) (?:to|in|into|under|on) (?:the |my |`,
    raw`our )?(.+?)(?:\s+(project|list|folder))?[.!]*$`,
  ).exec(c)
  if (!m?.[1] || !m[2]) return undefined
  if (/^no project$/i.test(`${m[2]} ${m[3] ?? ''}`.trim())) return change(m[1], { projectId: null }, world)
  const project = findProject(m[2], world.projects)
  const pronoun = /^(?:it|that|this|them|those|these|both|all of them|the \w+ one)$/i.test(m[1])
  if (project && (pronoun || !/^(?:add|put)/i.test(c))) return change(m[1], { projectId: project.id }, world)
  if (project && /^put/i.test(c)) {
    const made = change(m[1], { projectId: project.id }, world)
    const draft = { ...draftOf(m[1], world, false), projectId: project.id }
    return made?.kind === 'change' ? { ...made, orCreate: draft } : made
  }
  if (!project && m[3] && !/^add|^put/i.test(c)) {
    const known = world.projects.map((p) => p.name).join(', ')
    return {
      kind: 'say',
      text: `I don't see a project called “${m[2]}”; you have ${known || 'none yet'}. Nothing was changed.`,
    }
  }
  return undefined
}

export function estimate(c: string, world: World): Made {
  const m =
    /^(.+?) (?:will|should|would|'ll|might|only)? ?takes? (?:me )?(?:about |around |roughly |only )?(.+)$/i.exec(c) ??
    /^(?:set|change) (?:the )?(?:estimate|duration|length) (?:of|for|on) (.+?) (?:to|at) (.+)$/i.exec(c) ??
    /^estimate (.+?) (?:at|to|as) (.+)$/i.exec(c)
  const minutes = m?.[2] ? lengthOf(m[2]) : undefined
  if (m?.[1] && (readWhen(m[1], world.clock).when || m[1].includes(','))) return undefined
  return m?.[1] &&
    minutes &&
    /^\s*$/.test(m[2]?.replace(/^.*?(?:hours?|hrs?|h|minutes?|mins?|m|days?|half|quarter)\b[\s.]*$/i, '') ?? '')
    ? change(m[1], { estimate: minutes }, world)
    : undefined
}
