// Who watches, where the server asks for that: given once, for all players of the page. It is kept no longer than the page.

export interface Login {
  readonly watcher: string;
  readonly watcher_password: string;
}

let given: Login | undefined;
const changed = new EventTarget();

/** What was given last; undefined: nothing so far. */
export function currentLogin(): Login | undefined {
  return given;
}

/** Gives another, to all that wait for one. */
export function logIn(login: Login): void {
  given = login;
  changed.dispatchEvent(new Event("change"));
}

/** Calls `call` whenever another login is given. */
export function whenLoggedIn(call: () => void): void {
  changed.addEventListener("change", call);
}
