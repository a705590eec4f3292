#!/usr/bin/env bun
/** The `openwit` executable: finds the command and hands it its arguments. Each command loads only what it needs. */
import process from "node:process";
import { main } from "../edge/cli/main.ts";

main(process.argv.slice(2)).then((status) => {
  process.exitCode = status;
});
