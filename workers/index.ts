export { ErasePerson, ExportPerson, Steward, TasaRun, UserSession } from './objects.ts'

// Imported when they are called, so that an isolate's start runs nothing of them: docs/decisions/0048.
export default {
  async fetch(request, env, runtime) {
    const { answerRequest } = await import('./domains.ts')
    return await answerRequest(request, env, runtime)
  },
  async queue(batch, env, runtime) {
    const { takeBatch } = await import('./consumers.ts')
    await takeBatch(batch, env, runtime)
  },
  async scheduled(_event, env, runtime) {
    const { runJobs } = await import('./cron.ts')
    await runJobs(env, runtime)
  },
} satisfies ExportedHandler<Env>
