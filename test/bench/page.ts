// docs/benchmarks.md, made of the results.

import { fanOutTable, figureTable, verdictTable } from "./report.ts";
import type { Results } from "./results.ts";
import { warmSeconds } from "./rounds.ts";
import type { Verdict } from "./targets.ts";

export function page(results: Results, verdicts: readonly Verdict[], picture: boolean): string {
  const sections = [
    `# Benchmarks

Written by \`scripts/bench --docs\`. Measured on ${results.date}: ${results.machine}.

One CPU for the server, another for the load, over the loopback interface. "CPU s/GB" is the server process's user and system
time for each GB (10⁹ bytes) that watchers got. A delay is counted from the broadcaster's write of a block (1316 bytes) or an
FLV tag to its last byte's arrival at a watcher, over all watchers that are checked. The first ${warmSeconds} s
of a stream, in which windows open and code is compiled, are not measured. Every watcher's bytes are compared with what was sent up to 4 Gbit/s, beyond that one watcher's in 50. Servers are started afresh for each measurement and take
turns within a round; each figure is the median of the rounds, a ratio is made within each. Compare ratios: the absolute
figures are this machine's.

- \`fstream\` has its default settings, so bytes may wait up to 20 ms (\`max_delay\`) to go out in larger writes.
- Watchers of \`fstream-get\` ask in HTTP on the port of the protocol, those of \`fstream-http\` on the one for HTTP; those of
  \`fstream-socket\` watch there over WebSockets. Those of \`fstream-tls\` come over TLS, and those of \`fstream-https\` by HTTPS.
- \`C\` is [an epoll fan-out](../test/bench/fanout.c) of the same design, and nothing else: one ring, a cursor for each watcher,
  sends at once. It is what the kernel allows a server that sends at once.
- \`icecast\` is Debian's, with a queue as long as fstream's backlog and without its burst, but where joiners are timed.
- \`nginx-rtmp\` is Debian's module. It takes and gives RTMP: of the FLV that is the same work, but its watchers' bytes are
  counted, not checked, and nothing is said of its delay.`,
    picture
      ? "## Many watchers of 4 Mbit/s\n\n![CPU and delay against the number of watchers](benchmarks.svg)"
      : "",
    verdicts.length > 0 ? `## Targets\n\n${verdictTable(verdicts)}` : "",
    Object.keys(results.fanOuts).length > 0 ? `## Fan-out\n\n${fanOutTable(results)}` : "",
    Object.keys(results.figures).length > 0 ? `## Memory, pipes, start\n\n${figureTable(results)}` : "",
    results.detectors === ""
      ? ""
      : `## Detectors\n\nHow fast streams are searched for join points, MB/s of one core.\n\n\`\`\`\n${results.detectors.trimEnd()}\n\`\`\``,
    results.warnings.length > 0 ? `## What makes figures doubtful\n\n${list(results.warnings)}` : "",
    results.leftOut.length > 0 ? `## What is left out\n\n${list(results.leftOut)}` : "",
    `## How to run it again

\`\`\`sh
scripts/bench            # everything, some 16 minutes
scripts/bench --quick    # a first look, less than two
scripts/bench --check    # exits 1 if a ratio to the reference is far beyond what it was
scripts/bench --list     # what there is, for --only NAME
\`\`\`

It needs Linux, gcc, taskset and ss; on Debian it installs by itself, as root, what is missing.`,
  ];
  return `${sections.filter((section) => section !== "").join("\n\n")}\n`;
}

function list(words: readonly string[]): string {
  return words.map((word) => `- ${word}`).join("\n");
}
