export {
  type Analysis,
  Definition,
  type Gather,
  type Parameter,
  type Step,
  type Trigger,
} from './definition.ts'
export { type Evaluated, type Expressions, openExpressions, type Scope } from './expression.ts'
export { type Now, nowIn } from './helpers.ts'
