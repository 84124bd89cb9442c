// Matroska's element ids (RFC 9559, section 5.1; RFC 8794, section 11.1), and which of them may be where: whatever
// else a stream has in these places is taken for damage.

export const ebmlId = 0x1a45_dfa3;
export const segmentId = 0x1853_8067;
export const infoId = 0x1549_a966;
export const tracksId = 0x1654_ae6b;
export const clusterId = 0x1f43_b675;
export const timestampId = 0xe7;
export const simpleBlockId = 0xa3;
export const blockGroupId = 0xa0;
export const blockId = 0xa1;
export const referenceBlockId = 0xfb;

/** What may follow each other in a stream; the numbers: SeekHead, Cues, Tags, Chapters, Attachments, CRC-32, Void. */
export const topIds = new Set([
  ebmlId,
  segmentId,
  infoId,
  tracksId,
  clusterId,
  0x114d_9b74,
  0x1c53_bb6b,
  0x1254_c367,
  0x1043_a770,
  0x1941_a469,
  0xbf,
  0xec,
]);
/** What may be in a Cluster; the numbers: SilentTracks, Position, PrevSize, EncryptedBlock, CRC-32, Void. */
export const clusterIds = new Set([
  timestampId,
  simpleBlockId,
  blockGroupId,
  0x5854,
  0xa7,
  0xab,
  0xaf,
  0xbf,
  0xec,
]);
