import { expect, test } from "bun:test";
import { connectService } from "../../src/server/windowsservice.ts";

test.skipIf(process.platform === "win32")(
  "elsewhere than on Windows a service is refused in words",
  async () => {
    const ignored = { stop: () => {}, reload: () => {} };
    const error: unknown = await connectService(ignored).catch((reason: unknown) => reason);
    expect(error).toMatchObject({
      code: "failed",
      message: expect.stringContaining("this executable can't run as a service"),
      hint: expect.stringContaining("schtasks"),
    });
  },
);
