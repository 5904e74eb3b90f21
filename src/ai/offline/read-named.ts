import type { Clock } from './clock.ts'
import type { Filter, World } from './intent.ts'
import { raw, re, reG } from './pattern.ts'
import { about, due, type Find, find, projectIn } from './query-words.ts'
import { readRange } from './ranges.ts'

export const INSIGHTS = re(
  raw`\b(?:how am i doing|how (?:have|did) i (?:been doing|do)\b|my (?:stats|statistics|progress|`,
  raw`streak|productivity|numbers|performance)|how productive|insights?|am i on track|how(?:'s|`,
  raw` is) my (?:progress|productivity)|how(?:'s| is| has) my (?:week|month) (?:going|been)|`,
  raw`streak|busiest|most productive|weekly (?:review|report|stats) of me|stats|completion rate)\b`,
)

export const DONE_WORDS = re(
  raw`\b(?:finish(?:ed)?|completed?|done|closed?|(?:get|got|gotten) through|accomplish(?:ed)?|`,
  raw`achieved?|wrapped up|ticked off|checked off|crossed off|knocked (?:out|off)|did i do|`,
  raw`have i done|i did|get done|got done|gotten done)\b`,
)

const NOT_DONE = re(
  raw`\b(?:left|to be|need(?:s)? to|to get|haven't|have not|not|isn't|still|yet to|should|must|`,
  raw`to finish|to complete|to do)\b.*\b(?:finish|complete|done|do)|\b(?:haven't|`,
  raw`not) (?:i )?(?:done|finished|completed)|\bto be done\b|\bleft\b|\bstill (?:open|pending|`,
  raw`not)\b`,
)

/** What one has finished: the days are in the past, the last seven where none are named. */
export function finished(c: string, clock: Clock, world: World): Find | undefined {
  if (!DONE_WORDS.test(c) || NOT_DONE.test(c)) return undefined
  const one = /^(?:did i|have i|has|is|are|was|did we) (?:already |actually |ever )?(.+?)(?: yet| already)?\??$/i.exec(
    c,
  )
  const named =
    one?.[1] && !/\b(?:anything|everything|something|any tasks?|all|much|nothing)\b/i.test(c) ? about(one[1]) : ''
  if (named) return find({ text: named }, 'about', named)
  if (
    !re(
      raw`^(?:what|which|show|list|how many|how much|did i|have i|tell me|give me|see|my|everything|`,
      raw`all|completed|finished|done|find|any|when)`,
    ).test(c)
  )
    return undefined
  const range = readRange(c, clock, { lean: 'past' })
  const after = range?.after ?? clock.today.subtract({ days: 7 }).toString()
  const filter: Filter = {
    status: ['completed'],
    completedAfter: after,
    ...(range?.before ? { completedBefore: range.before } : {}),
    sort: 'updated',
  }
  const project = projectIn(c, world)
  if (project) filter.projectId = project.id
  return find(filter, /how many|how much/i.test(c) ? 'count' : 'done', range?.name ?? 'in the last 7 days')
}

const WHICH = re(
  raw`^(?:which|what|any|are there any|do i have any|how many) ([\w-]+(?: [\w-]+)?) (?:are|is|do|`,
  raw`did|have|need|still|left|for|from|this|that|am)\b`,
)

export function named(c: string, world: World): Find | undefined {
  const kind = WHICH.exec(c)?.[1]
  const sort = kind
    ? about(
        kind.replace(
          reG(
            raw`\b(?:outstanding|upcoming|overdue|pending|open|important|urgent|other|more|projects?|lists?|`,
            raw`meetings?|calls?|plans?|kind|days?|times?)\b`,
          ),
          '',
        ),
      )
    : ''
  if (sort && !readRange(kind ?? '', world.clock)) {
    const days = readRange(c, world.clock)
    return find(
      { text: sort, open: true, ...(days ? due(days) : {}) },
      /^how many/i.test(c) ? 'count' : 'agenda',
      `about “${sort}”`,
    )
  }
  const search =
    /^(?:find|search(?: for)?|look (?:for|up)|where(?:'s| is))\s+(?:me )?(?:my |the |all |any |a )*(.+)$/i.exec(c) ??
    re(
      raw`\b(?:anything|something|tasks?|reminders?|todos?|items?|stuff|things?)\b(?: do i have|`,
      raw` i have)? (?:about|for|to|on|with|called|named|regarding|related to|containing|mentioning|`,
      raw`that mentions?)\s+(.+)$`,
    ).exec(c) ??
    re(
      raw`^(?:show|list|see|view|open|pull up|bring up)(?: me)? (?:the |my )?(.+?) (?:task|tasks|`,
      raw`reminder|reminders|todos)$`,
    ).exec(c)
  if (search?.[1]) {
    const range = readRange(search[1], world.clock)
    const name = about(range && range.rest !== '' ? range.rest : search[1])
    if (name && !readRange(name, world.clock))
      return find({ text: name, open: true, ...(range ? due(range) : {}) }, 'agenda', `about “${name}”`)
  }
  const when = re(
    raw`^(?:when(?:'s| is| was| are| do i| does| am i| should i| did i| will)?|what (?:time|day|`,
    raw`date)(?:'s| is| was| do i| does| are| should i| am i)|how long (?:until|till|before)|`,
    raw`where(?:'s| is)) (.+)$`,
  ).exec(c)
  if (when?.[1]) {
    const name = about(when[1])
    if (name)
      return find({ text: name, ...(/did|was/i.test(c.slice(0, 10)) ? {} : { open: true }) }, 'about', name, {
        memories: true,
      })
  }
  const detail = re(
    raw`^(?:what|when|tell me)(?:'s| is| are| was)?(?: the)? (?:deadline|due ?date|date|time|status|`,
    raw`details?|notes?|due|plan|info)(?: for| of| on| about)? (.+)$`,
  ).exec(c)
  if (detail?.[1] && about(detail[1])) return find({ text: about(detail[1]), open: true }, 'about', about(detail[1]))
  const how = re(
    raw`^(?:where (?:am i|are we)(?: at)?(?: with| on)|how far (?:along )?am i(?: with| on)|`,
    raw`any (?:progress|update|updates|news) (?:on|with)|what(?:'s| is) (?:happening|going on|`,
    raw`up) with|how(?:'s| is|'re| are)) (.+?)(?: coming along| coming| going| progressing)?\??$`,
  ).exec(c)
  const whom = re(
    raw`^(?:who|what) (?:do|should|must) i (?:still )?(?:need to |have to |gotta |got to )(?!(?:do|`,
    raw`get done|finish|complete)\b)(.+?)\??$`,
  ).exec(c)
  const waiting = /^who(?:'s| is| are)? (?:still )?(?:waiting|left|due|pending|owed) (?:on|for|to)? ?(.+?)\??$/i.exec(c)
  const act = about(whom?.[1] ?? waiting?.[1] ?? '')
  if (act && !readRange(whom?.[1] ?? '', world.clock))
    return find({ text: act, open: true }, 'agenda', `about “${act}”`)
  const topic = how?.[1] ? about(how[1]) : ''
  if (topic && !readRange(topic, world.clock)) return find({ text: topic }, 'about', topic)
  const status = re(
    raw`^(?:is|are|was|did i|have i|do i (?:still )?(?:have|need) to|should i still|what(?:'s|`,
    raw` is) the status of|status of|how(?:'s| is)|did we|am i supposed to|do i have (?:a|an|`,
    raw`any)(?: tasks?| reminders?)?(?: to| for| about)?) (.+)$`,
  ).exec(c)
  const name =
    status?.[1] && !/^(?:anything|something|any|tasks?|free|busy|it|that)\b/i.test(status[1]) ? about(status[1]) : ''
  return name && !readRange(name, world.clock) ? find({ text: name }, 'about', name) : undefined
}
