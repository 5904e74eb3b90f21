import { DurableObject, WorkflowEntrypoint, type WorkflowEvent, type WorkflowStep } from 'cloudflare:workers'
import type * as steward from './steward.ts'
import type * as session from './user-session.ts'

type Session = session.UserSession
type Of<M> = M extends (...given: infer G) => unknown ? G : never

// The platform wants the classes at the start; what they do is opened with the first object of each.

/** The doors of a person's session: see user-session.ts. */
export class UserSession extends DurableObject<Env> {
  #made: Session | undefined

  async #session(): Promise<Session> {
    const { UserSession } = await import('./user-session.ts')
    this.#made ??= new UserSession(this.ctx, this.env)
    return this.#made
  }

  async ping() {
    return (await this.#session()).ping()
  }
  async publish(...given: Of<Session['publish']>) {
    return (await this.#session()).publish(...given)
  }
  async issueTicket(...given: Of<Session['issueTicket']>) {
    return await (await this.#session()).issueTicket(...given)
  }
  async endSession(...given: Of<Session['endSession']>) {
    return (await this.#session()).endSession(...given)
  }
  async renewSession(...given: Of<Session['renewSession']>) {
    return (await this.#session()).renewSession(...given)
  }
  async follow(...given: Of<Session['follow']>) {
    return (await this.#session()).follow(...given)
  }
  async streamTurn(...given: Of<Session['streamTurn']>) {
    return await (await this.#session()).streamTurn(...given)
  }
  async finishTurn(...given: Of<Session['finishTurn']>) {
    return await (await this.#session()).finishTurn(...given)
  }
  async cancelTurn(...given: Of<Session['cancelTurn']>) {
    return await (await this.#session()).cancelTurn(...given)
  }
  async shareCall(...given: Of<Session['shareCall']>) {
    return (await this.#session()).shareCall(...given)
  }
  async leaveCall(...given: Of<Session['leaveCall']>) {
    return (await this.#session()).leaveCall(...given)
  }
  async erase() {
    return await (await this.#session()).erase()
  }
  async held() {
    return await (await this.#session()).held()
  }
  override async fetch(request: Request): Promise<Response> {
    return await (await this.#session()).fetch(request)
  }
  override async webSocketMessage(...given: Of<Session['webSocketMessage']>): Promise<void> {
    ;(await this.#session()).webSocketMessage(...given)
  }
  override async webSocketClose(...given: Of<Session['webSocketClose']>): Promise<void> {
    ;(await this.#session()).webSocketClose(...given)
  }
  override async webSocketError(): Promise<void> {
    ;(await this.#session()).webSocketError()
  }
  override async alarm(): Promise<void> {
    await (await this.#session()).alarm()
  }
}

/** The doors of a person's timers and budget: see steward.ts. */
export class Steward extends DurableObject<Env> {
  #made: steward.Steward | undefined

  async #steward(): Promise<steward.Steward> {
    const { Steward } = await import('./steward.ts')
    this.#made ??= new Steward(this.ctx, this.env)
    return this.#made
  }

  async ping() {
    return (await this.#steward()).ping()
  }
  async arm(...given: Of<steward.Steward['arm']>) {
    return await (await this.#steward()).arm(...given)
  }
  async cancel(...given: Of<steward.Steward['cancel']>) {
    return await (await this.#steward()).cancel(...given)
  }
  async wake() {
    return await (await this.#steward()).wake()
  }
  async list() {
    return (await this.#steward()).list()
  }
  async reserve(...given: Of<steward.Steward['reserve']>) {
    return await (await this.#steward()).reserve(...given)
  }
  async settle(...given: Of<steward.Steward['settle']>) {
    return await (await this.#steward()).settle(...given)
  }
  async release(...given: Of<steward.Steward['release']>) {
    return (await this.#steward()).release(...given)
  }
  async budget() {
    return (await this.#steward()).budget()
  }
  async grantCalls(...given: Of<steward.Steward['grantCalls']>) {
    return (await this.#steward()).grantCalls(...given)
  }
  async setBudget(...given: Of<steward.Steward['setBudget']>) {
    return (await this.#steward()).setBudget(...given)
  }
  async learning(...given: Of<steward.Steward['learning']>) {
    return (await this.#steward()).learning(...given)
  }
  async flushUsage() {
    return await (await this.#steward()).flushUsage()
  }
  async erase() {
    return await (await this.#steward()).erase()
  }
  async held() {
    return await (await this.#steward()).held()
  }
  override async alarm(): Promise<void> {
    await (await this.#steward()).alarm()
  }
}

type Errand = { id: string }

/** The door of an erasure: see erase-person.ts. */
export class ErasePerson extends WorkflowEntrypoint<Env, Errand> {
  override async run({ payload: { id } }: WorkflowEvent<Errand>, step: WorkflowStep): Promise<void> {
    const { erasePerson } = await import('./erase-person.ts')
    await erasePerson({ env: this.env, runtime: this.ctx, step }, id)
  }
}

/** The door of an export: see export-person.ts. */
export class ExportPerson extends WorkflowEntrypoint<Env, Errand> {
  override async run({ payload: { id } }: WorkflowEvent<Errand>, step: WorkflowStep): Promise<void> {
    const { exportPerson } = await import('./export-person.ts')
    await exportPerson({ env: this.env, runtime: this.ctx, step }, id)
  }
}

type RunErrand = { runId: string; userId: string }

/** The door of a run of a workflow: see tasa-run.ts. */
export class TasaRun extends WorkflowEntrypoint<Env, RunErrand> {
  override async run({ payload, instanceId }: WorkflowEvent<RunErrand>, step: WorkflowStep): Promise<string> {
    const { tasaRun } = await import('./tasa-run.ts')
    return await tasaRun({ env: this.env, runtime: this.ctx, step }, { ...payload, instanceId })
  }
}
