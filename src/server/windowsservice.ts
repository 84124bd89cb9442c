// The server as a service of Windows: what `sc.exe create` makes, started and stopped by the service control manager, which ends within 30 s
// (error 1053) whatever does not connect to it (Microsoft's "Service Programs": StartServiceCtrlDispatcherW and what it refers to).
//
// The dispatcher keeps the thread that calls it until the service has stopped: it is given one of its own, as that thread's very function.
// It calls back on threads that are not ours; Bun passes such calls on to this one.

import { dlopen, FFIType, JSCallback, ptr } from "bun:ffi";
import { FstreamError, reasonOf } from "../errors.ts";

const SERVICE_WIN32_OWN_PROCESS = 0x10;
const states = { stopped: 1, startPending: 2, stopPending: 3, running: 4 } as const;
/** SERVICE_ACCEPT_STOP, _SHUTDOWN and _PARAMCHANGE. */
const accepted = 1 | 4 | 8;
/** SERVICE_CONTROL_STOP, _PARAMCHANGE, _SHUTDOWN. */
const controls = { stop: 1, reload: 6, shutdown: 5 } as const;
/** How long the manager may take to call, and starting may take, milliseconds. */
const startMs = 25_000;

/** How often it is looked whether the dispatcher has given up, milliseconds. */
const pollMs = 50;

type State = (typeof states)[keyof typeof states];

/** What is to be done when the manager asks for it. */
export interface ServiceEvents {
  stop(): void;
  reload(): void;
}

/** What a service tells its manager. */
export interface WindowsService {
  running(): void;
  /** `withinMs`: how long it may take. */
  stopping(withinMs: number): void;
  stopped(): void;
}

/**
 * Connects to the manager that started this process. Rejects with FstreamError `usage` if none did, with `failed` where Bun has no foreign
 * functions (they are compiled, which it can't do on every processor).
 */
export async function connectService(events: ServiceEvents): Promise<WindowsService> {
  try {
    return await connect(events);
  } catch (cause) {
    if (cause instanceof FstreamError) throw cause;
    throw new FstreamError("failed", `this executable can't run as a service: ${reasonOf(cause)}`, {
      hint: "start it with a scheduled task instead: `schtasks /create /sc onstart`",
      cause,
    });
  }
}

async function connect(events: ServiceEvents): Promise<WindowsService> {
  const { CreateThread, GetModuleHandleW, GetProcAddress, WaitForSingleObject } = dlopen("kernel32.dll", {
    CreateThread: {
      args: [FFIType.ptr, FFIType.u64, FFIType.ptr, FFIType.ptr, FFIType.u32, FFIType.ptr],
      returns: FFIType.ptr,
    },
    GetModuleHandleW: { args: [FFIType.ptr], returns: FFIType.ptr },
    GetProcAddress: { args: [FFIType.ptr, FFIType.ptr], returns: FFIType.ptr },
    WaitForSingleObject: { args: [FFIType.ptr, FFIType.u32], returns: FFIType.u32 },
  }).symbols;
  const { RegisterServiceCtrlHandlerW, SetServiceStatus } = dlopen("advapi32.dll", {
    RegisterServiceCtrlHandlerW: { args: [FFIType.ptr, FFIType.ptr], returns: FFIType.ptr },
    SetServiceStatus: { args: [FFIType.ptr, FFIType.ptr], returns: FFIType.i32 },
  }).symbols;
  // A service that has its process to itself may be called anything.
  const name = wide("fstream");
  let handle: ReturnType<typeof RegisterServiceCtrlHandlerW> = null;
  const report = (state: State, waitMs = 0) => {
    if (handle === null) return;
    const accepts = state === states.running ? accepted : 0;
    SetServiceStatus(
      handle,
      ptr(new Uint32Array([SERVICE_WIN32_OWN_PROCESS, state, accepts, 0, 0, 0, waitMs])),
    );
  };
  const control = new JSCallback(
    (code: number) => {
      if (code === controls.stop || code === controls.shutdown) events.stop();
      else if (code === controls.reload) events.reload();
    },
    { args: [FFIType.u32], returns: FFIType.void, threadsafe: true },
  );
  const called = Promise.withResolvers<boolean>();
  const main = new JSCallback(
    () => {
      handle = RegisterServiceCtrlHandlerW(ptr(name), control.ptr);
      report(states.startPending, startMs);
      called.resolve(true);
    },
    { args: [FFIType.u32, FFIType.ptr], returns: FFIType.void, threadsafe: true },
  );
  // SERVICE_TABLE_ENTRYW: names and functions, and a pair of zeros at the end.
  const table = new BigUint64Array([BigInt(ptr(name)), BigInt(main.ptr ?? 0), 0n, 0n]);
  const dispatcher = GetProcAddress(
    GetModuleHandleW(ptr(wide("advapi32.dll"))),
    ptr(Buffer.from("StartServiceCtrlDispatcherW\0")),
  );
  // What Windows has the addresses of must not be collected.
  kept.push(name, table, control, main);
  const thread = CreateThread(null, 0, dispatcher, ptr(table), 0, null);
  const untilMs = performance.now() + startMs;
  const timer = setInterval(() => {
    // It ends before the service does only where there is no manager.
    if (WaitForSingleObject(thread, 0) === 0 || performance.now() > untilMs) called.resolve(false);
  }, pollMs);
  const isService = await called.promise;
  clearInterval(timer);
  if (!isService || handle === null) throw notStarted();
  return {
    running: () => report(states.running),
    stopping: (withinMs) => report(states.stopPending, withinMs),
    stopped: () => report(states.stopped),
  };
}

const kept: unknown[] = [];

function notStarted(): FstreamError {
  return new FstreamError(
    "usage",
    "--service only works when the Windows service manager starts the program",
    {
      hint: "create the service with `sc.exe create`; on a terminal, leave out --service",
    },
  );
}

/** Text as Windows takes it, with a zero at its end. */
function wide(text: string): Buffer {
  return Buffer.from(`${text}\0`, "utf16le");
}
