type Code =
  | 'invalid_request'
  | 'invalid_client'
  | 'invalid_grant'
  | 'invalid_scope'
  | 'invalid_target'
  | 'invalid_redirect_uri'
  | 'invalid_client_metadata'
  | 'unsupported_grant_type'
  | 'unsupported_response_type'
  | 'access_denied'

/** A refusal in the words of RFC 6749, 7591 and 8707. `back`: where the app waits to hear of it, once that is known to be the app's. */
export class OauthError extends Error {
  readonly code: Code
  readonly back: string | undefined
  constructor(code: Code, message: string, back?: string, cause?: unknown) {
    super(message.replace(/[^\x20-\x7e]|["\\]/g, "'"), { cause })
    this.name = 'OauthError'
    this.code = code
    this.back = back
  }
  get status(): number {
    return this.code === 'invalid_client' ? 401 : 400
  }
}
