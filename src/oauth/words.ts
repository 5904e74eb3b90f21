import type { Scope } from '#auth'

/** What each scope means to the person who gives it. */
export const WORDS: Record<Scope, string> = {
  'tasks:read': 'See your tasks',
  'tasks:write': 'Add, change, complete and delete your tasks',
  'projects:read': 'See your projects',
  'projects:write': 'Add, change and delete your projects',
  'memories:read': 'See what Aurelius remembers about you',
  'memories:write': 'Add, change and forget what Aurelius remembers about you',
  'preferences:read': 'See your preferences, such as your time zone',
  'preferences:write': 'Change your preferences',
  'conversations:read': 'Read your conversations with Aurelius',
  'conversations:write': 'Write in your conversations with Aurelius, change and delete them',
  'notifications:read': 'See your notifications',
  'notifications:write': 'Mark your notifications as read, and delete them',
  'profile:read': 'See your name and e-mail address',
  'profile:write': 'Change your name',
  'integrations:read': 'See which services you have connected',
  'integrations:write': 'Connect, change, use and remove services',
  'workflows:read': 'See your workflows and what they did',
  'workflows:write': 'Add, change, run and delete your workflows',
  'effects:read': 'See what was done for you',
  'effects:write': 'Take back what was done for you',
  'ai:read': 'See your AI usage and budget',
  'ai:write': 'Use AI at the expense of your budget',
  mcp: 'Use the tools of Aurelius',
  realtime: 'Be told at once when something changes',
}
