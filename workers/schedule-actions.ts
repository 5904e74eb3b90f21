import { askCarrier } from '#assistant'
import { effectCarrier } from '#proactivity'
import type { Carriers } from '#scheduler'
import { workflowCarrier } from '#workflows'

/** Who does what a schedule may be for. */
export const carriers: Carriers = {
  run_workflow: workflowCarrier,
  ask_assistant: askCarrier,
  effect: effectCarrier,
}
