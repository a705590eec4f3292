/** The records that the benchmark's rare words, values and patterns find: one in each of a few hours of a history. */

export const needlesMax = 12;

/** Values that stand nowhere else. */
export const needle = {
  word: "nxdomain",
  phrase: "answered NXDOMAIN",
  attribute: { key: "certificate.serial", value: "4f:7a:19:c2:e0:88" },
} as const;

/** An export request with one record, as JSON. */
export function needleRequest(timeMs: number): string {
  return JSON.stringify({
    resourceLogs: [{
      resource: {
        attributes: [
          text("service.name", "payment"),
          text("service.version", "2.14.7"),
          text("host.name", "node-2"),
        ],
      },
      scopeLogs: [{
        scope: { name: "shop.certificates" },
        logRecords: [{
          timeUnixNano: `${timeMs}000000`,
          severityNumber: 17,
          severityText: "ERROR",
          body: {
            stringValue:
              "could not renew the certificate of ledger.internal: resolver 10.0.0.53 answered NXDOMAIN",
          },
          attributes: [text(needle.attribute.key, needle.attribute.value), text("dns.question.type", "A")],
        }],
      }],
    }],
  });
}

function text(key: string, value: string): unknown {
  return { key, value: { stringValue: value } };
}
