import { expect, test } from "bun:test";
import { newGuard } from "./guard.ts";

const table: [bindHost: string, host: string | null, origin: string | null, code: string | undefined][] = [
  ["127.0.0.1", "localhost", null, undefined],
  ["127.0.0.1", "localhost:4318", null, undefined],
  ["127.0.0.1", "LOCALHOST.:4318", null, undefined],
  ["127.0.0.1", "127.0.0.1:4318", null, undefined],
  ["127.0.0.1", "127.8.9.1", null, undefined],
  ["127.0.0.1", "[::1]:4318", null, undefined],
  ["::1", "[::1]", null, undefined],
  ["127.0.0.1", "box.local:4318", null, undefined],
  ["127.0.0.1", null, null, "invalid_argument"],
  ["127.0.0.1", "", null, "invalid_argument"],
  ["127.0.0.1", "evil.example", null, "forbidden"],
  ["127.0.0.1", "127.evil.example", null, "forbidden"],
  ["127.0.0.1", "127.0.0.1.evil.example", null, "forbidden"],
  ["127.0.0.1", "localhost.evil.example", null, "forbidden"],
  ["127.0.0.1", "evil.example:localhost", null, "forbidden"],
  ["127.0.0.1", "localhost:80:80", null, "forbidden"],
  ["127.0.0.1", "[::1].evil.example", null, "forbidden"],
  ["127.0.0.1", "192.168.1.4", null, "forbidden"],
  ["localhost", "evil.example", null, "forbidden"],
  ["127.0.0.1", "localhost", "http://localhost:3000", undefined],
  ["127.0.0.1", "localhost", "https://127.0.0.1", undefined],
  ["127.0.0.1", "localhost", "http://box.local", undefined],
  ["127.0.0.1", "localhost", "http://evil.example", "forbidden"],
  ["127.0.0.1", "localhost", "http://localhost@evil.example", "forbidden"],
  ["127.0.0.1", "localhost", "null", "forbidden"],
  ["127.0.0.1", "localhost", "file://", "forbidden"],
  ["0.0.0.0", "anything.example:6318", null, undefined],
  ["0.0.0.0", "box.lan:6318", "http://box.lan:6318", undefined],
  ["0.0.0.0", "box.lan:6318", "http://box.lan:9999", "forbidden"],
  ["0.0.0.0", "box.lan:6318", "http://evil.example", "forbidden"],
  ["0.0.0.0", "box.lan:6318", "http://box.local", undefined],
];
for (const [bindHost, host, origin, code] of table) {
  test(`bound to ${bindHost}, Host ${host} from ${origin} ${code === undefined ? "may pass" : `is ${code}`}`, () => {
    expect(newGuard({ bindHost, allowedHosts: ["box.local"] })(host, origin)?.code).toBe(code as never);
  });
}
