export { ERASURE_STEPS, eraseStep, startErasures } from './erase.ts'
export { accountApp } from './routes.ts'
