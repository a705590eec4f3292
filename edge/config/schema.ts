/**
 * The YAML file as a JSON Schema (2020-12, https://json-schema.org/specification): editors complete and check by it.
 * Ranges of texts with units are beyond a pattern: `openwit config check` holds them.
 */
import { type ConfigKey, type ConfigKeyName, configKeys, type KeyType } from "./keys.ts";
import { formOf } from "./render.ts";
import { keysOf, sectionDocs, sectionNames } from "./sections.ts";

export function configSchema(): Record<string, unknown> {
  return {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    title: "OpenWit configuration",
    type: "object",
    additionalProperties: false,
    properties: Object.fromEntries(sectionNames.map((section) => [section, {
      description: sectionDocs[section],
      type: ["object", "null"],
      additionalProperties: false,
      properties: Object.fromEntries(
        keysOf(section).map((key) => [key.slice(section.length + 1), keySchema(key)]),
      ),
    }])),
  };
}

function keySchema(key: ConfigKeyName): Record<string, unknown> {
  const { type, default: fallback, doc, secret, least, most } = configKeys[key] as ConfigKey;
  const described = {
    description: `${doc} (${formOf(key)})`,
    default: fallback,
    ...secret ? { writeOnly: true } : {},
  };
  if (typeof type !== "string") return { ...described, enum: type };
  const isNumber = type === "integer";
  return {
    ...described,
    ...forms[type],
    ...isNumber && least !== undefined ? { minimum: Number(least) } : {},
    ...isNumber && most !== undefined ? { maximum: Number(most) } : {},
  };
}

/** A value may be written with a variable in it, and then be of any form. */
const orVariable = "|^.*\\$\\{[A-Za-z_]\\w*(:-[^}]*)?\\}.*$";
const size = "^\\d+(\\.\\d+)?\\s*([kKmMgGtT]?[iI]?[bB])?$";

const forms: Readonly<Record<Exclude<KeyType, readonly string[]>, Record<string, unknown>>> = {
  size: { type: ["string", "integer"], pattern: size + orVariable },
  share: { type: ["string", "integer"], pattern: `${size}|^\\d+(\\.\\d+)?\\s*%$${orVariable}` },
  duration: { type: "string", pattern: `^(\\d+(\\.\\d+)?(ms|s|m|h|d|w))+$${orVariable}` },
  listen: {
    type: "string",
    pattern: `^(\\[[0-9a-fA-F:.]+\\]|[^:\\s\\[\\]]*):\\d{1,5}$${orVariable}`,
  },
  path: { type: "string", minLength: 1 },
  integer: { type: ["integer", "string"], pattern: `^\\d{1,15}$${orVariable}` },
  text: { type: "string" },
  boolean: {
    type: ["boolean", "string"],
    pattern: `^([Tt]rue|[Ff]alse|[Yy]es|[Nn]o|[Oo]n|[Oo]ff)$${orVariable}`,
  },
};
