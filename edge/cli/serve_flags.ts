/** The flags of `openwit serve`, which `openwit config show` takes too: those of the table of keys, and which files. */
import { fileFlags, fileUsage } from "../config/files.ts";
import { type ConfigKey, configKeys } from "../config/keys.ts";

const flagKeys = Object.entries(configKeys as Record<string, ConfigKey>).filter(([, { flag }]) =>
  flag !== undefined
);

export const serveFlags: Readonly<Record<string, { readonly type: "string" | "boolean" }>> = {
  ...Object.fromEntries(
    flagKeys.map(([, { flag, type }]) => [
      flag!,
      { type: type === "boolean" ? "boolean" as const : "string" as const },
    ]),
  ),
  ...fileFlags,
};

export const serveFlagsUsage = `${
  flagKeys.map(([name, { flag, type, default: fallback, doc }]) => {
    const value = type === "boolean" ? "" : ` ${Array.isArray(type) ? type.join("|") : type}`;
    // A flag that leaves no room has its meaning on the next line.
    const head = `--${flag}${value}`;
    const gap = head.length > 30 ? `\n${" ".repeat(34)}` : " ".repeat(32 - head.length);
    return `  ${head}${gap}${doc}\n${" ".repeat(34)}(${name}, default ${fallback})`;
  }).join("\n")
}
${fileUsage}`;
