import { serve } from './serve.ts'

const code = await serve(process.argv.slice(2), 'npm start --')
if (code !== 0) process.exit(code)
