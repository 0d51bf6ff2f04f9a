/** The marks that data planes are told, numbered in the order in which this control plane learned of them. */
import { type HealthMark, type HealthMarks, MARKS_PER_MESSAGE_MAX } from './health-messages.ts'

export class MarkBoard {
  readonly #marks = new Map<string, { readonly mark: HealthMark; readonly number: number }>()
  #last = 0

  /** All marks there are, oldest first. */
  replace(marks: readonly HealthMark[]): void {
    const gone = new Set(this.#marks.keys())
    for (const mark of marks) {
      gone.delete(mark.id)
      if (!this.#marks.has(mark.id)) this.#marks.set(mark.id, { mark, number: ++this.#last })
    }
    for (const id of gone) this.#marks.delete(id)
  }

  /** The number of the newest mark: who has seen it has seen all. */
  get last(): number {
    return this.#last
  }

  /** Those after a number, in messages that fit. */
  *after(number: number): Generator<HealthMarks> {
    const marks = [...this.#marks.values()].filter(entry => entry.number > number).map(entry => entry.mark)
    for (let at = 0; at < marks.length; at += MARKS_PER_MESSAGE_MAX)
      yield { type: 'health_marks', marks: marks.slice(at, at + MARKS_PER_MESSAGE_MAX) }
  }
}
