const STATUS = { invalid_client: 401, temporarily_unavailable: 503 } as const

type Code =
  | keyof typeof STATUS
  | 'invalid_request'
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
  constructor(code: Code, message: string, back?: string) {
    super(message)
    this.name = 'OauthError'
    this.code = code
    this.back = back
  }
  get status(): number {
    return this.code in STATUS ? Object(STATUS)[this.code] : 400
  }
}
