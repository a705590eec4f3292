/** Writing the answer to stdout: no faster than it is read, and silent when its reader has gone. */
import process from "node:process";

/** Resolves when more can be written. */
export async function writeOut(text: string | Uint8Array): Promise<void> {
  if (process.stdout.write(text)) return;
  await new Promise((resolve) => process.stdout.once("drain", resolve));
}

/**
 * Lets `openwit … | head` end without a word: who closes the pipe has seen enough. Status 141 is what a shell shows
 * for a program that SIGPIPE ended.
 */
export function endWithReader(stream: NodeJS.WriteStream): void {
  stream.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE") process.exit(141);
    throw error;
  });
}
