// The `weir` command against a control plane of the test.
import { Proc } from "./weir.mjs";

export const cli = (weir) => async (...args) => {
  const p = new Proc("weir", ["--state", weir.controlState ?? "/nonexistent", "--api", `127.0.0.1:${weir.apiPort}`, ...args], { NO_COLOR: "1", WEIR_TOKEN: weir.token });
  const { code } = await p.exited;
  return { code, out: p.stdout, err: p.stderr };
};
