// Which signals end a server in order, and whether SIGHUP has it read its settings anew. Elsewhere than on Windows SIGHUP does, but where standard
// input is a terminal, which has then been closed. Windows has none of these signals: the runtime makes them of Ctrl-C (SIGINT), of Ctrl-Break (SIGBREAK)
// and of a console that is closed (SIGHUP); what its service manager asks for is passed on as SIGTERM and SIGHUP. Pure.

export interface ServerSignals {
  readonly stop: readonly NodeJS.Signals[];
  readonly reloads: boolean;
}

export function serverSignals(
  platform: NodeJS.Platform,
  { isOnTerminal, isService }: { readonly isOnTerminal: boolean; readonly isService: boolean },
): ServerSignals {
  if (isService) return { stop: ["SIGTERM"], reloads: true };
  if (platform === "win32") return { stop: ["SIGINT", "SIGBREAK", "SIGHUP"], reloads: false };
  const stop = ["SIGTERM", "SIGINT"] as const;
  return isOnTerminal ? { stop: [...stop, "SIGHUP"], reloads: false } : { stop, reloads: true };
}
