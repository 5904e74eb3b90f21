export { ERASURE_STEPS, eraseStep, startErasures } from './erase.ts'
export { EXPORT_SECTIONS, exportPage, finishExport, pruneExports, resumeExports } from './export.ts'
export { reclaimSubscriber } from './reclaim.ts'
