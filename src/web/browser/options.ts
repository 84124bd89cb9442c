// What the address of a player's page asks for: `?muted=`, `?autoplay=`, `?controls=`, as other players have them. Pure.

export interface PlayerOptions {
  /** Silent from the start. */
  readonly muted: boolean;
  /** Plays without being asked. */
  readonly autoplay: boolean;
  /** Has buttons. */
  readonly controls: boolean;
}

/** From the query of an address. A key without a value means yes. */
export function optionsOf(search: string): PlayerOptions {
  const query = new URLSearchParams(search);
  const has = (name: string, otherwise: boolean) => {
    const value = query.get(name)?.toLowerCase();
    return value === undefined ? otherwise : !["0", "false", "no", "off"].includes(value);
  };
  return { muted: has("muted", false), autoplay: has("autoplay", true), controls: has("controls", true) };
}
