// The authenticator that is on, which another one can replace while the server runs: what is asked from then on is asked of that.
// One that was replaced still answers what it was asked, and is stopped then.

import type { Authenticator, AuthRequest, Grant } from "./authenticator.ts";

interface On {
  readonly authenticator: Authenticator;
  /** Requests that it has not answered yet. */
  open: number;
}

export class CurrentAuthenticator implements Authenticator {
  #on: On;

  constructor(authenticator: Authenticator) {
    this.#on = { authenticator, open: 0 };
  }

  get needsPassword(): boolean {
    return this.#on.authenticator.needsPassword;
  }

  async authenticate(request: AuthRequest): Promise<Grant> {
    const on = this.#on;
    on.open++;
    try {
      return await on.authenticator.authenticate(request);
    } finally {
      on.open--;
      if (on !== this.#on) stopIfDone(on);
    }
  }

  async revocation(user: string, channel: string): Promise<string | undefined> {
    return await this.#on.authenticator.revocation?.(user, channel);
  }

  /** Puts `next`, which is ready, in the place of the one that is on. */
  replace(next: Authenticator): void {
    const before = this.#on;
    this.#on = { authenticator: next, open: 0 };
    stopIfDone(before);
  }

  async reload(): Promise<void> {
    await this.#on.authenticator.reload?.();
  }

  stop(): void {
    this.#on.authenticator.stop?.();
  }
}

function stopIfDone({ authenticator, open }: On): void {
  if (open === 0) authenticator.stop?.();
}
