// As `npx wrangler types` writes it.
declare namespace Cloudflare {
  interface Env {
    readonly KMS: Fetcher
    readonly DB: D1Database
    readonly DOCUMENTS: R2Bucket
    readonly DATA_KEY: string
    readonly INDEX_KEY: string
  }
}
