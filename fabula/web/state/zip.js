// Files as one ZIP archive without compression (APPNOTE 6.3, sections 4.3.7, 4.3.12, 4.3.16). Knows no server.
// @ts-check

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit += 1) value = value & 1 ? 0xedb88320 ^ (value >>> 1) : value >>> 1;
  return value;
});

/** @param {Uint8Array} bytes */
function crcOf(bytes) {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = TABLE[(crc ^ byte) & 0xff] ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}

const UTF8_NAMES = 0x0800;
const LOCAL = 0x04034b50;
const CENTRAL = 0x02014b50;
const END = 0x06054b50;

/** Numbers of 2 or 4 bytes, little-endian. @param {[number, number][]} fields value and size */
function header(...fields) {
  const view = new DataView(new ArrayBuffer(fields.reduce((sum, [, size]) => sum + size, 0)));
  let at = 0;
  for (const [value, size] of fields) {
    if (size === 2) view.setUint16(at, value, true);
    else view.setUint32(at, value, true);
    at += size;
  }
  return new Uint8Array(view.buffer);
}

/** @param {{path: string, file: File}[]} files @param {(done: number) => void} [tell] @returns {Promise<Blob>} */
export async function packed(files, tell = () => undefined) {
  const [parts, index] = [/** @type {any[]} */ ([]), /** @type {any[]} */ ([])];
  let at = 0;
  for (const [done, { path, file }] of files.entries()) {
    const [name, bytes] = [new TextEncoder().encode(path), new Uint8Array(await file.arrayBuffer())];
    const about = /** @type {[number, number][]} */ ([[20, 2], [UTF8_NAMES, 2], [0, 2], [0, 4], [crcOf(bytes), 4], [bytes.length, 4], [bytes.length, 4], [name.length, 2], [0, 2]]);
    const local = header([LOCAL, 4], ...about);
    index.push(header([CENTRAL, 4], [20, 2], ...about, [0, 2], [0, 2], [0, 2], [0, 4], [at, 4]), name);
    parts.push(local, name, bytes);
    at += local.length + name.length + bytes.length;
    tell(done);
  }
  const size = index.reduce((sum, part) => sum + part.length, 0);
  return new Blob([...parts, ...index, header([END, 4], [0, 2], [0, 2], [files.length, 2], [files.length, 2], [size, 4], [at, 4], [0, 2])]);
}
