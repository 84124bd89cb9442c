// ADTS, the framing in which AAC is sent as a bare stream: ISO/IEC 13818-7, 6.2 (adts_fixed_header,
// adts_variable_header), and for MPEG-4 ISO/IEC 14496-3, 1.A.2.2. Each frame is a join point.
//
// A frame says all that its decoder needs, so there is no header, but for one case: channel_configuration 0
// leaves the channels to a program_config_element in the frames (ISO/IEC 14496-3, 4.4.1.1), and encoders send
// it once. The newest frame that begins with one is then the header, a fiftieth of a second of sound.

import type { Container } from "../detector.ts";
import { cut, type FrameFormat, whole } from "./frames.ts";

const format: FrameFormat = {
  name: "adts",
  sync: 0xff,
  // The field allows 8191; 6144 bits for each channel is the most that a frame needs, here of three channels.
  maxFrameBytes: 2304,
  tagged: false,
  length(bytes, at) {
    // syncword, layer 0
    if (bytes[at] !== 0xff || (bytes[at + 1] & 0xf6) !== 0xf0) return 0;
    // sampling_frequency_index
    if (((bytes[at + 2] >> 2) & 0xf) > 12) return 0;
    const length = ((bytes[at + 3] & 3) << 11) | (bytes[at + 4] << 3) | (bytes[at + 5] >> 5);
    const header = (bytes[at + 1] & 1) === 0 ? 9 : 7;
    return length > header ? length : 0;
  },
  // ID, protection_absent, profile, sampling_frequency_index, channel_configuration
  key: (bytes, at) => ((bytes[at + 1] & 9) << 16) | ((bytes[at + 2] & 0xfd) << 8) | (bytes[at + 3] & 0xc0),
  joins: () => true,
  keeps(bytes, at) {
    const channels = ((bytes[at + 2] & 1) << 2) | (bytes[at + 3] >> 6);
    // id_syn_ele of the first element: ID_PCE
    return channels === 0 && bytes[at + ((bytes[at + 1] & 1) === 0 ? 9 : 7)] >> 5 === 5;
  },
  describe: () => ({ codec: "aac", mediaType: "audio/aac" }),
};

/** AAC in ADTS frames. */
export const adts: Container = whole(format);

/** The same of a stream that begins inside a frame. */
export const cutAdts: Container = cut(format);
