import { defineConfig } from 'drizzle-kit'

// `npm run migration` writes the next numbered file; one that has shipped is never edited.
export default defineConfig({ dialect: 'sqlite', schema: './src/catalog/schema.ts', out: './migrations' })
