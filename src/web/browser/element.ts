// Elements of a page, made in one expression. There is no HTML in strings anywhere: what a stream or a server says is text.

type Attribute = string | number | boolean | undefined | ((event: never) => void);
export type Child = Node | string | undefined;

/**
 * Makes an element: `onclick` and the like are listeners, true is an attribute without a value, false and undefined are
 * left out.
 */
export function element<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Readonly<Record<string, Attribute>> = {},
  ...children: readonly Child[]
): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") made.addEventListener(name.slice(2), value as (event: Event) => void);
    else if (value !== false && value !== undefined)
      made.setAttribute(name, value === true ? "" : String(value));
  }
  made.append(...children.filter((child) => child !== undefined));
  return made;
}

const svg = "http://www.w3.org/2000/svg";

/** The paths of the icons, in a square of 24. */
const icons = {
  play: "M8 5.5v13a.8.8 0 0 0 1.2.7l10.2-6.5a.8.8 0 0 0 0-1.4L9.2 4.8A.8.8 0 0 0 8 5.5z",
  pause: "M7 5h3.5v14H7zM13.5 5H17v14h-3.5z",
  sound: "M4 9.5v5h3.5l4.5 4v-13l-4.5 4zM15 8.2a5 5 0 0 1 0 7.6M17.5 5.7a8.6 8.6 0 0 1 0 12.6",
  silence: "M4 9.5v5h3.5l4.5 4v-13l-4.5 4zM15.5 9.5l5 5M20.5 9.5l-5 5",
  full: "M4.5 9V4.5H9M15 4.5h4.5V9M19.5 15v4.5H15M9 19.5H4.5V15",
  unfull: "M9 4.5V9H4.5M19.5 9H15V4.5M15 19.5V15h4.5M4.5 15H9v4.5",
  inset: "M4 5.5h16v13H4zM12.5 12.5h5v3.5h-5z",
  lock: "M7 11V8.5a5 5 0 0 1 10 0V11M5.5 11h13v9h-13z",
  copy: "M9 9h10.5v10.5H9zM15 9V4.5H4.5V15H9",
  screen: "M3.5 5h17v11.5h-17zM8.5 20h7M12 16.5V20",
  camera: "M3.5 7h11.5v10H3.5zM15 11l5.5-3v8L15 13",
  microphone:
    "M12 3.5a2.8 2.8 0 0 1 2.8 2.8v5a2.8 2.8 0 0 1-5.6 0v-5A2.8 2.8 0 0 1 12 3.5zM6 11.5a6 6 0 0 0 12 0M12 17.5v3",
  people:
    "M9 11.5a3.3 3.3 0 1 0 0-6.6 3.3 3.3 0 0 0 0 6.6zM3 19.5c.3-3.5 2.8-5.5 6-5.5s5.7 2 6 5.5M16 5.3a3.3 3.3 0 0 1 0 6M17.5 14.3c2 .6 3.3 2.5 3.5 5.2",
} as const;

export type IconName = keyof typeof icons;

const filled: ReadonlySet<IconName> = new Set(["play", "pause"]);

/** An icon; for the eyes alone. */
export function icon(name: IconName): SVGSVGElement {
  const drawn = document.createElementNS(svg, "svg");
  drawn.setAttribute("viewBox", "0 0 24 24");
  drawn.setAttribute("aria-hidden", "true");
  drawn.setAttribute("class", filled.has(name) ? "icon filled" : "icon");
  const path = document.createElementNS(svg, "path");
  path.setAttribute("d", icons[name]);
  drawn.append(path);
  return drawn;
}

/** A button with an icon and a name that is read out, and shown as a tooltip. */
export function iconButton(name: IconName, label: string, onclick: () => void): HTMLButtonElement {
  return element(
    "button",
    { type: "button", class: "icon-button", "aria-label": label, title: label, onclick },
    icon(name),
  );
}

/** Gives such a button another icon and name. */
export function relabel(button: HTMLButtonElement, name: IconName, label: string): void {
  if (button.getAttribute("aria-label") === label) return;
  button.setAttribute("aria-label", label);
  button.title = label;
  button.replaceChildren(icon(name));
}
