// Bindings that need an account: there only where they are configured, never on a laptop.
interface Env {
  AI?: Ai
  VECTORIZE?: Vectorize
  EMAIL?: SendEmail
}
