import type { Step } from './definition.ts'

/** What a sentence asks to have done: as steps, and in words. */
export type Asked = { steps: Step[]; says: string; name: string }

const MAX_TITLE = 200

const TELLS =
  /^(?:please |also |then )*(?:remind me(?: to| that| about| of)?|tell me(?: to| that)?|notify me(?: to| that| about| when)?|ping me(?: to| that| about)?|nudge me(?: to| about)?|alert me(?: to| that| about)?|warn me(?: that| about)?|let me know(?: that| about)?|send me (?:a |an )?(?:notification|reminder|message|note|alert|ping)(?: to| that| about| saying|:)?|ask me (?:to|if|whether|about)|say)(?= |$)\s*(.*)$/i
const MAKES =
  /^(?:please |also |then )*(?:create|add|make|open|write|give me|put)(?: me)? (?:a |an |the |another )?(?:new )?(?:follow[- ]?up )?(?:task|to-?do|reminder)(?: to| called| named| titled| for| that says| about|:)? (.+)$/i
const PUTS = /^(?:please |also |then )*(?:add|put) (.+?) (?:to|on|in|onto) (?:my |the )?(?:tasks?|to-?dos?)(?: list)?$/i
const JOINT =
  /(?:,| then|;)? and (?:then |also )?(?=(?:remind|tell|notify|ping|nudge|alert|warn|let me know|send me|ask me|create|add|make|put)\b)|;\s+|, then /i
/** Something is to be known that no step can find out. */
const WONDERS = /^(?:what|how|who|where|why|which|whether|when)\b/i

const quoted = (text: string) => text.replace(/^["'\u201c]|["'\u201d.!]+$/g, '').trim()
// Two braces begin an expression, and a person wrote none.
const literal = (text: string) => {
  const plain = quoted(text).replaceAll('{{', '{ {').slice(0, MAX_TITLE)
  return plain.charAt(0).toUpperCase() + plain.slice(1)
}

/** The steps a sentence asks for, or what in it was not understood. `subject`: what there is to say where it says nothing. */
export function actionsIn(text: string, subject: string | null): Asked | { problem: string } {
  const parts = text
    .split(JOINT)
    .map((part) => part.replace(/^[\s,:]+|[\s,.!]+$/g, ''))
    .filter((part) => part !== '')
  if (parts.length === 0) return { problem: text.trim() === '' ? 'what to do' : text.trim() }
  const steps: Step[] = []
  const says: string[] = []
  let name = ''
  for (const [n, part] of parts.slice(0, 5).entries()) {
    const made = MAKES.exec(part) ?? PUTS.exec(part)
    const told = made ? null : TELLS.exec(part)
    const about = (made?.[1] ?? told?.[1] ?? '').trim()
    const title = about === '' ? subject : literal(about)
    if (!(made || told) || title === null || (told && WONDERS.test(about))) return { problem: part }
    const id = `${made ? 'add' : 'tell'}${n + 1}`
    if (made) steps.push({ id, do: 'create_task', input: { title } })
    else steps.push({ id, do: 'notify', input: { title } })
    const shown = title.replace(/\{\{.*?\}\}/g, '...')
    says.push(made ? `create the task \u201c${shown}\u201d` : `tell you \u201c${shown}\u201d`)
    name ||= shown
  }
  return { steps, says: says.join(', then '), name }
}
