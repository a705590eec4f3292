import { expect, test } from "bun:test";
import { Redactor } from "./redact.ts";

const secret = "s3cr3t-Value";

test.each([
  [`connecting to postgres://user:${secret}@db:5432/x failed`],
  [`postgres://user:p@${secret}@db/x`],
  [`https://:${secret}@host/path`],
  [`Authorization: Bearer ${secret}`],
  [`sent with authorization "Basic ${secret}"`],
  [`password=${secret}`],
  [`PGPASSWORD = '${secret}'`],
  [`{"password":"${secret}"}`],
  [`{"db.password": "a \\" ${secret}"}`],
  [`metastore.api_key: ${secret}, and more`],
  [`x-api-key=${secret}&tenant=a`],
  [`AWS_SECRET_ACCESS_KEY=${secret}`],
  [`Cookie: ${secret}`],
])("%s shows no secret", (text) => {
  expect(new Redactor().text(text)).not.toContain(secret);
  expect(new Redactor().text(text)).toContain("***");
});

test.each([
  ["recovered 12 segments in 3 ms"],
  ["http://127.0.0.1:6318/api?x=a@b"],
  ["cannot read wal/000012.wal: record at byte 4096"],
  ["tenant shop:logs, mail to a@b"],
])("%s stays as it is", (text) => {
  expect(new Redactor().text(text)).toBe(text);
});

test("nothing is shown under the name of a secret, however deep", () => {
  const value = new Redactor().value("config", {
    url: `postgres://u:${secret}@h/d`,
    auth: { apiKey: secret, tokens: [secret], passwords: 12, has_password: true },
    list: [{ client_secret: secret }],
    rows: 3,
  });
  expect(JSON.stringify(value)).not.toContain(secret);
  expect(value).toMatchObject({ rows: 3, auth: { has_password: true } });
});

test("what was said to be secret is hidden wherever it stands, a URL's password decoded too", () => {
  const redactor = new Redactor();
  redactor.hide(`postgres://user:${encodeURIComponent("p/w@rd:1")}@host/db`);
  redactor.hide("another:one");
  redactor.hide("postgres://user@host/db");
  expect(redactor.text('role "user" with p/w@rd:1 or p%2Fw%40rd%3A1 or another:one at host')).toBe(
    'role "user" with *** or *** or *** at host',
  );
});

test("a long text of many names takes no long time", () => {
  const startedMs = performance.now();
  for (const part of ["a.", "a:", "token", "x://", "a=", '"', "password-"]) {
    new Redactor().text(part.repeat(8_192 / part.length));
  }
  expect(performance.now() - startedMs).toBeLessThan(1_000);
});
