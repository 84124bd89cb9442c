// Which texts are users' names: exactly those that are a plain file name on every system, so that a name never
// leads out of the users folder, names a device (Windows: "Naming Files, Paths, and Namespaces"), or means
// the same file as another name does. Pure: asked before any work is done for a request.

/** A name's longest, in bytes of UTF-8: with its ending it still is a file name. */
export const maxUserNameBytes = 200;

const device =
  /^(?:con|prn|aux|nul|com[\d\u00b9\u00b2\u00b3]|lpt[\d\u00b9\u00b2\u00b3]|conin\$|conout\$)[ ]*(?:\.|$)/i;

/** What keeps `name` from being a user's name, as in "a user's name can't ...", or undefined: nothing does. */
export function userNameProblem(name: string): string | undefined {
  if (name === "") return "can't be empty";
  if (!name.isWellFormed()) return "must be valid Unicode";
  if (/\p{Cc}/u.test(name)) return "can't contain control characters";
  if (/[/\\:]/.test(name)) return "can't contain a slash, a backslash or a colon";
  if (name.startsWith(".")) return "can't start with a dot";
  if (/[. ]$/.test(name)) return "can't end with a dot or a space";
  if (device.test(name)) return "can't be a device name";
  if (new TextEncoder().encode(name).length > maxUserNameBytes)
    return `can't be longer than ${maxUserNameBytes} bytes`;
  return undefined;
}
