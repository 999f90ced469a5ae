/** A string value in a JSON text: the names of the members around it, outermost first, and where its token stands. */
interface Found {
  readonly names: readonly (string | null)[]
  readonly value: string
  readonly from: number
  readonly to: number
}

interface Walked {
  readonly strings: readonly Found[]
  /** True where an object has two members of one name, of which JSON.parse would show the last alone. */
  readonly hasTwins: boolean
}

const token = /"[^"\\]*(?:\\.[^"\\]*)*"|[{}[\],]/g

/** Walks a text that JSON.parse takes; of any other it finds what it finds. */
function walk(text: string): Walked {
  const strings: Found[] = []
  let hasTwins = false
  // Of an object, the names seen and the one that is read now; of a list, nothing.
  const around: { readonly seen: Set<string> | null; name: string | null }[] = []
  for (const { 0: found, index } of text.matchAll(token)) {
    const inner = around.at(-1)
    if (found === '{' || found === '[') around.push({ seen: found === '{' ? new Set() : null, name: null })
    else if (found === '}' || found === ']') around.pop()
    else if (found === ',') {
      if (inner !== undefined) inner.name = null
    } else if (inner !== undefined) {
      const value = textOf(found)
      if (inner.seen === null || inner.name !== null) {
        const names = around.filter(({ seen }) => seen !== null).map(({ name }) => name)
        strings.push({ names, value, from: index, to: index + found.length })
      } else {
        hasTwins ||= inner.seen.has(value)
        inner.seen.add(value)
        inner.name = value
      }
    }
  }
  return { strings, hasTwins }
}

function textOf(found: string): string {
  try {
    return JSON.parse(found)
  } catch {
    return found
  }
}

export function hasTwinMembers(text: string): boolean {
  return walk(text).hasTwins
}

/**
 * The policy as it is shown once principals that it names are gone: their unique ids stand where their ARNs stood. Nothing
 * else changes, not even white space.
 */
export function withPrincipalsReplaced(text: string, replacements: Readonly<Record<string, string>>): string {
  if (Object.keys(replacements).length === 0) return text
  let shown = ''
  let from = 0
  for (const found of walk(text).strings) {
    if (!isPrincipal(found) || !Object.hasOwn(replacements, found.value)) continue
    shown += text.slice(from, found.from) + JSON.stringify(replacements[found.value])
    from = found.to
  }
  return shown + text.slice(from)
}

function isPrincipal({ names: [statement, element, type, ...deeper] }: Found): boolean {
  const isElement = element === 'Principal' || element === 'NotPrincipal'
  return statement === 'Statement' && isElement && type === 'AWS' && deeper.length === 0
}
