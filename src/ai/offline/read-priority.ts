import { priorityOf } from './attributes.ts'
import type { Intent, World } from './intent.ts'
import { rule } from './lexicon.ts'
import { raw, re } from './pattern.ts'
import { change } from './targets.ts'

type Made = Intent | undefined
const LEVEL =
  '(urgent|critical|asap|high(?:est)?|top|important|medium|normal|regular|low(?:est)?|p[0-4]|not ' +
  '(?:so |that |very )?(?:urgent|important))'

const PRIORITY_FORMS = [
  rule(
    `^(?:make|set|mark|flag|bump|raise|lower|change|turn|put|move|drop|upgrade|downgrade)\\s+(?:up ` +
      `|down )?(?!(?:the )?priority\\b)(.+?)(?: up| down)?\\s+(?:priority )?(?:to |as |is |at |on |a ` +
      `|an |into )*(?:more |very |really |super |the )?${LEVEL}(?: priority| prio)?(?: now)?[.!]*$`,
    'i',
  ),
  rule(`^(?:set|change|make|raise|lower|bump)\\s+(?:the )?priority (?:of|for|on) (.+?) (?:to|as|is) ${LEVEL}$`, 'i'),
  rule(`^(?:set|change|make|raise|lower|bump)\\s+(.+?)(?:'s)? priority (?:to |as )?${LEVEL}$`, 'i'),
  rule(
    `^(.+?) (?:is|are|'s|just became|became|has become|should be|needs to be|just got|got|has|gets|` +
      `->|are all|is a|'s a) (?:now |really |very |super |more |pretty |a |an |the |most |actually |` +
      `so |kinda )*${LEVEL}(?: priority| prio)?(?: now)?[.!]*$`,
    'i',
  ),
  rule(`^(.+?) ${LEVEL} priority(?: now| please)?$`, 'i'),
]

export function priority(c: string, world: World): Made {
  const all = /^(?:prioriti[sz]e|bump up) (.+)$/i.exec(c) ?? /^flag (it|that|this|them|the \w+ one)$/i.exec(c)
  if (all?.[1]) return change(all[1], { priority: 'high' }, world)
  const a =
    /^(?:make|set|mark|call) (.+?) (?:as )?(?:a |my |the |our )(top |big |main |number one |real |huge )?priority$/i.exec(
      c,
    )
  if (a?.[1]) return change(a[1], { priority: /top|number/i.test(a[2] ?? '') ? 'urgent' : 'high' }, world)
  const more = /^make (.+?) (less|more) (?:urgent|important)$/i.exec(c)
  if (more?.[1]) return change(more[1], { priority: /less/i.test(more[2] ?? '') ? 'low' : 'high' }, world)
  const less = /^de-?prioriti[sz]e (.+)$/i.exec(c)
  if (less?.[1]) return change(less[1], { priority: 'low' }, world)
  const calm = re(
    raw`^(.+?) (?:isn't|is not|'s not|aren't) (?:so |that |really |very )*(?:urgent|`,
    raw`important)(?: anymore| any more| now)?$`,
  ).exec(c)
  if (calm?.[1]) return change(calm[1], { priority: 'medium' }, world)
  for (const form of PRIORITY_FORMS) {
    const m = form.exec(c)
    const level = m?.[2] ? priorityOf(m[2]) : undefined
    if (
      !m?.[1] ||
      !level ||
      (form === PRIORITY_FORMS[4] && !/^(?:it|that|this|them|the|my)\b|\b(?:thing|task|one|reminder)$/i.test(m[1]))
    )
      continue
    return change(m[1], { priority: level }, world)
  }
  const turn =
    re(
      raw`^(raise|increase|up|bump(?: up)?|lower|decrease|reduce|drop) (?:the )?(?:priority|prio|`,
      raw`importance) (?:of|for|on) (.+)$`,
    ).exec(c) ?? /^(raise|increase|up|bump(?: up)?|lower|decrease|reduce|drop) (.+?)(?:'s)? (?:priority|prio)$/i.exec(c)
  if (turn?.[2])
    return change(turn[2], { priority: /^(?:lower|decrease|reduce|drop)/i.test(turn[1] ?? '') ? 'low' : 'high' }, world)
  const short = rule(`^(?:make (?:it|that|this) |it'?s |that'?s )?${LEVEL}(?: priority| prio)?[.!]*$`, 'i').exec(c)
  return short?.[1] && world.state.focus.length > 0 && world.state.wrote
    ? change('it', { priority: priorityOf(short[1]) ?? 'high' }, world)
    : undefined
}
