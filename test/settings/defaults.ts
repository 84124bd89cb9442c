// The settings where nothing is set, for tests that are about something else: a new setting then is in all of them.

import { loadSettings } from "../../src/settings/load.ts";

export const defaults = await loadSettings({ cwd: "/nowhere", environment: {}, overrides: {} });
