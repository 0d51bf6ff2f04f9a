/** Where the value of a property came from, so that a message about it can say so. */

export type Source =
  | { readonly kind: 'default' }
  | { readonly kind: 'file'; readonly path: string; readonly line: number }
  | { readonly kind: 'environment'; readonly variable: string }
  | { readonly kind: 'argument'; readonly name: string }

export function describeSource(source: Source): string {
  switch (source.kind) {
    case 'default':
      return 'default'
    case 'file':
      return `${source.path}:${source.line}`
    case 'environment':
      return `environment variable ${source.variable}`
    case 'argument':
      return `option ${source.name}`
  }
}
