/** Takes the frames of a connection to its socket. */
import { GatheringWriter } from '../gathering-writer.ts'
import { FrameWriter } from './frame-writer.ts'

export class SocketWriter extends GatheringWriter {
  readonly #frames = new FrameWriter(this.out)

  /** The place for frames; whatever is written there leaves soon. */
  get frames(): FrameWriter {
    this.schedule()
    return this.#frames
  }
}
