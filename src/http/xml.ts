/**
 * An answer's value as XML of the AWS Query protocol: lists of `member`, maps of `entry`, dates in ISO 8601, and nothing
 * of what is undefined or null. Names are the wire's own.
 */
export function xmlOf(value: unknown): string {
  if (value === undefined || value === null) return ''
  if (Array.isArray(value)) return value.map((member) => element('member', member)).join('')
  if (value instanceof Map) return [...value].map(([key, held]) => element('entry', { key, value: held })).join('')
  if (value instanceof Date) return `${value.toISOString().slice(0, 19)}Z`
  if (typeof value === 'object') {
    return Object.entries(value)
      .map(([name, member]) => (member === undefined || member === null ? '' : element(name, member)))
      .join('')
  }
  return escaped(String(value))
}

export function element(name: string, value: unknown): string {
  return `<${name}>${xmlOf(value)}</${name}>`
}

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&apos;',
  // A parser would make a line feed of it.
  '\r': '&#xD;',
}

/** XML 1.0 has no way to say most control characters, U+FFFE, U+FFFF or half a surrogate pair: U+FFFD stands for them. */
function escaped(text: string): string {
  return (
    text
      .toWellFormed()
      // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what it is about
      .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, '\ufffd')
      .replace(/[&<>"'\r]/g, (character) => entities[character] ?? character)
  )
}
