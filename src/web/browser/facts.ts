// What is known of a stream, in a few words for each fact.

import type { ChannelStatus } from "./api.ts";
import { element, icon } from "./element.ts";
import { age, bitRate, codecName, containerName, count } from "./words.ts";

type Described = Pick<ChannelStatus, "container" | "codecs"> & {
  readonly width?: number;
  readonly height?: number;
};

/** Container, codecs and size, as short labels. */
export function labels({ container, codecs, width, height }: Described): HTMLElement {
  const size = width !== undefined && height !== undefined ? [`${width} × ${height}`] : [];
  const words = new Set([containerName(container), ...codecs.map(codecName), ...size]);
  return element(
    "ul",
    { class: "labels", "aria-label": "Format" },
    ...[...words].map((word) => element("li", {}, word)),
  );
}

/** Since when: "Live for 5 min", "Just started". */
export function since({ since }: Pick<ChannelStatus, "since">): HTMLElement {
  const words = age((Date.now() - Date.parse(since)) / 1000);
  return element("time", { datetime: since, title: new Date(since).toLocaleString() }, words);
}

/** How many watch, and how much comes. */
export function traffic({ watchers, bitrate }: Pick<ChannelStatus, "watchers" | "bitrate">): HTMLElement {
  return element(
    "p",
    { class: "traffic" },
    element(
      "span",
      { class: "watchers", title: count(watchers, "watcher") },
      icon("people"),
      element("span", { class: "unseen" }, count(watchers, "watcher")),
      element("span", { "aria-hidden": true }, watchers.toLocaleString("en")),
    ),
    element("span", {}, bitRate(bitrate)),
  );
}
