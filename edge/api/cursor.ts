/**
 * Where the next page of a search begins, as a text that a client sends back as it came.
 *
 * It holds the window and a hash of the search, so that the pages of one search are of one time range and a cursor
 * of another search is refused rather than answered with a page of something else.
 */
import { Buffer } from "node:buffer";
import { OpenWitError } from "../../core/error.ts";
import type { PageCursor } from "../../core/search/page.ts";

export interface SearchCursor {
  readonly after: PageCursor;
  readonly sinceNs?: bigint;
  readonly untilNs?: bigint;
}

/** @param search everything that decides which records are found, and in which order */
export function writeCursor(cursor: SearchCursor, search: unknown): string {
  const { after: { timeNs, within }, sinceNs, untilNs } = cursor;
  const fields = [version, hashOf(search), timeNs, sinceNs, untilNs, within?.tie, within?.given];
  return Buffer.from(fields.map((each) => each === undefined ? "" : String(each)).join(",")).toString(
    "base64url",
  );
}

/** @throws OpenWitError `invalid_argument` */
export function readCursor(text: string, search: unknown): SearchCursor {
  const match = pattern.exec(Buffer.from(text, "base64url").toString());
  if (match === null) {
    throw new OpenWitError("invalid_argument", "cursor is none that an answer gave", {
      hint: 'send the "next" of the page before, as it came',
    });
  }
  const [, hash, timeNs, sinceNs, untilNs, tie, given] = match;
  if (hash !== hashOf(search)) {
    throw new OpenWitError("invalid_argument", "cursor belongs to another search", {
      hint: "send it with the parameters of the page before; the time range is in the cursor",
    });
  }
  return {
    after: { timeNs: BigInt(timeNs), within: tie === "" ? undefined : { tie, given: Number(given) } },
    sinceNs: sinceNs === "" ? undefined : BigInt(sinceNs),
    untilNs: untilNs === "" ? undefined : BigInt(untilNs),
  };
}

const version = 1;
const pattern = /^1,([0-9a-z]+),(-?\d{1,19}),(-?\d{0,19}),(-?\d{0,19}),(|[0-9a-f]{32}),(\d{0,9})$/;

function hashOf(search: unknown): string {
  return Bun.hash(JSON.stringify(search)).toString(36);
}
