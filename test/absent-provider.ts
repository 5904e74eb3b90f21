/** The settings of a provider of sign-ins that does not answer. */
export const ABSENT_PROVIDER = {
  GOOGLE_CLIENT_ID: 'client',
  GOOGLE_CLIENT_SECRET: 'secret',
  GOOGLE_BASE_URL: 'http://127.0.0.1:9',
  SIGN_IN_RETURN_URLS: 'https://app.example.com/signed-in',
}
