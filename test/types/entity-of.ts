/** What the schema's types must and must not allow; checked by the compiler, never run. */
import type { consumers } from '../../src/entities/consumers.ts'
import type { routes } from '../../src/entities/routes.ts'
import { defineEntity, type EntityOf, type UniqueField } from '../../src/schema/entity.ts'
import * as field from '../../src/schema/field.ts'
import type { RecordOf } from '../../src/schema/field.ts'
import * as typedefs from '../../src/schema/typedefs.ts'

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
function expectType<_Claim extends true>(): void {}

const things = defineEntity({
  name: 'things',
  fields: {
    id: field.id(),
    created_at: typedefs.autoTimestampS(),
    name: typedefs.utf8Name(),
    code: field.string({ required: true, unique: true }),
    mode: field.string({ one_of: ['a', 'b'], required: true }),
    level: field.integer({ one_of: [1, 2] }),
    on: field.boolean({ default: true }),
    list: field.array(field.string(), { required: true }),
    labels: field.map(field.string(), field.integer()),
    nested: field.record({ deep: field.record({ n: field.number({ required: true }) }) }),
    perhaps: field.record({ n: field.number() }, { required: false }),
    owner: field.foreign('consumers', { required: true, on_delete: 'cascade' }),
    friend: field.foreign('consumers'),
    fixed: field.extend(field.string(), { required: true }),
  },
})
type Thing = EntityOf<typeof things>

expectType<Equal<Thing['id'], string>>()
expectType<Equal<Thing['created_at'], number>>()
expectType<Equal<Thing['name'], string | null>>()
expectType<Equal<Thing['mode'], 'a' | 'b'>>()
expectType<Equal<Thing['level'], 1 | 2 | null>>()
expectType<Equal<Thing['on'], boolean | null>>()
expectType<Equal<Thing['list'], readonly string[]>>()
expectType<Equal<Thing['labels'], Readonly<Record<string, number>> | null>>()
expectType<Equal<Thing['nested']['deep']['n'], number>>()
expectType<Equal<Thing['perhaps'], { readonly n: number | null } | null>>()
expectType<Equal<Thing['owner'], { readonly id: string }>>()
expectType<Equal<Thing['friend'], { readonly id: string } | null>>()
expectType<Equal<Thing['fixed'], string>>()
expectType<Equal<UniqueField<(typeof things)['fields']>, 'name' | 'code'>>()
expectType<Equal<UniqueField<(typeof consumers)['fields']>, 'username' | 'custom_id'>>()
expectType<Equal<EntityOf<typeof routes>['service'], { readonly id: string } | null>>()
expectType<Equal<RecordOf<{ a: field.Field<string> }>['a'], string>>()

declare const thing: Thing
// @ts-expect-error rows are read-only
thing.code = 'x'
// @ts-expect-error no such field
thing.nothing
// @ts-expect-error only values listed
thing.mode === 'c'
// @ts-expect-error a string is no number
field.string({ default: 5 })
// @ts-expect-error strings have no range
field.string({ between: [1, 2] })
// @ts-expect-error the default has other elements
field.array(field.string(), { default: [1] })
// @ts-expect-error on_delete is one of three
field.foreign('consumers', { on_delete: 'explode' })
