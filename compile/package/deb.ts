/**
 * Writes a binary package of Debian (deb(5), format 2.0): an `ar` archive of `debian-binary`, the control archive and the
 * data archive. By ourselves, so that it can be built where no dpkg is, and gives the same bytes everywhere.
 */
import { createHash } from "node:crypto";
import { file, type PackageEntry, withFolders } from "./entry.ts";
import { tarOf } from "./tar.ts";
import { xz } from "./xz.ts";

export interface DebControl {
  /** Fields of deb-control(5) in their order, less Installed-Size. */
  readonly fields: Readonly<Record<string, string>>;
  /** Configuration files, with a slash at the beginning: dpkg asks before it replaces one that a person changed. */
  readonly conffiles: readonly string[];
  /** `postinst` and the like. */
  readonly scripts: Readonly<Record<string, string>>;
}

/** @param level of compression: see xz.ts; none for a package that is tried and goes nowhere */
export async function debOf(
  control: DebControl,
  entries: readonly PackageEntry[],
  mtimeSeconds: number,
  level: 0 | 6 | "none",
): Promise<Uint8Array> {
  const all = withFolders(entries);
  const pack = (entries: readonly PackageEntry[]) => {
    const tar = tarOf(entries, "./", mtimeSeconds);
    return level === "none" ? tar : xz(tar, level);
  };
  const [controlArchive, dataArchive] = await Promise.all([pack(controlEntries(control, all)), pack(all)]);
  const extension = level === "none" ? "" : ".xz";
  return Buffer.concat([
    Buffer.from("!<arch>\n"),
    ...member("debian-binary", Buffer.from("2.0\n"), mtimeSeconds),
    ...member(`control.tar${extension}`, controlArchive, mtimeSeconds),
    ...member(`data.tar${extension}`, dataArchive, mtimeSeconds),
  ]);
}

/** A version as Debian orders them: what comes before a release sorts before it. */
export function debVersion(version: string): string {
  return version.replace("-", "~");
}

function controlEntries({ fields, conffiles, scripts }: DebControl, entries: readonly PackageEntry[]) {
  const files = entries.filter((entry) => entry.kind === "file");
  // As dpkg-gencontrol counts: KiB of each file, begun ones in full, and one for everything else.
  const kibibytes = entries.reduce(
    (sum, entry) => sum + (entry.kind === "file" ? Math.ceil(entry.content.length / 1024) : 1),
    0,
  );
  const { Description, ...others } = fields;
  const control = Object.entries({ ...others, "Installed-Size": String(kibibytes), Description })
    .map(([name, value]) => `${name}: ${value}\n`).join("");
  const sums = files.map(({ path, content }) =>
    `${createHash("md5").update(content).digest("hex")}  ${path}\n`
  );
  return [
    file("conffiles", conffiles.map((path) => `${path}\n`).join("")),
    file("control", control),
    file("md5sums", sums.join("")),
    ...Object.entries(scripts).map(([name, text]) => file(name, text, 0o755)),
  ].sort((a, b) => a.path < b.path ? -1 : 1);
}

/** A header of 60 bytes, the content, and a newline where that is odd. */
function member(name: string, content: Uint8Array, mtimeSeconds: number): Uint8Array[] {
  const head = [
    name.padEnd(16),
    String(mtimeSeconds).padEnd(12),
    "0".padEnd(6),
    "0".padEnd(6),
    "100644".padEnd(8),
    String(content.length).padEnd(10),
    "`\n",
  ];
  return [Buffer.from(head.join("")), content, Buffer.from(content.length % 2 === 1 ? "\n" : "")];
}
