/** The events of a server-sent stream (WHATWG HTML, "text/event-stream"), as far as ours uses it. */

export interface ServerEvent {
  readonly event: string;
  readonly data: string;
}

/** Comments are passed over; what is not ended when the stream ends is no event. */
export async function* events(response: Response): AsyncGenerator<ServerEvent, void, undefined> {
  const decoder = new TextDecoder();
  let buffer = "";
  for await (const bytes of response.body!) {
    buffer += decoder.decode(bytes, { stream: true });
    const blocks = buffer.split("\n\n");
    buffer = blocks.pop()!;
    for (const block of blocks) {
      const data = /^data: (.*)$/m.exec(block)?.[1];
      if (data !== undefined) yield { event: /^event: (.*)$/m.exec(block)?.[1] ?? "message", data };
    }
  }
}
