/**
 * CRC-32C (Castagnoli, reflected polynomial 0x82f63b78; RFC 3720 appendix B.4), the checksum of every format of ours.
 *
 * Slicing by 16: 2.2 GB/s in Bun 1.4.5 on x64, against 1.7 by 8; a mebibyte takes half a millisecond.
 */

/** The checksum of `bytes`, going on from that of the bytes before them (0 at the beginning). */
export function crc32c(bytes: Uint8Array, before = 0): number {
  let crc = ~before;
  let at = 0;
  for (const end = bytes.length - 15; at < end; at += 16) {
    crc ^= bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24);
    crc = t15[crc & 255] ^ t14[(crc >>> 8) & 255] ^ t13[(crc >>> 16) & 255] ^ t12[crc >>> 24] ^
      t11[bytes[at + 4]] ^ t10[bytes[at + 5]] ^ t9[bytes[at + 6]] ^ t8[bytes[at + 7]] ^
      t7[bytes[at + 8]] ^ t6[bytes[at + 9]] ^ t5[bytes[at + 10]] ^ t4[bytes[at + 11]] ^
      t3[bytes[at + 12]] ^ t2[bytes[at + 13]] ^ t1[bytes[at + 14]] ^ t0[bytes[at + 15]];
  }
  for (; at < bytes.length; at++) crc = t0[(crc ^ bytes[at]) & 255] ^ (crc >>> 8);
  return ~crc >>> 0;
}

const [t0, t1, t2, t3, t4, t5, t6, t7, t8, t9, t10, t11, t12, t13, t14, t15] = makeTables();

/** Table n gives the checksum of a byte that n zero bytes follow. */
function makeTables(): Int32Array[] {
  const first = new Int32Array(256);
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
    first[byte] = crc;
  }
  const tables = [first];
  while (tables.length < 16) {
    tables.push(tables[tables.length - 1].map((crc) => (crc >>> 8) ^ first[crc & 255]));
  }
  return tables;
}
