// docs/benchmarks.md, made of the results.

import { fanOutTable, figureTable, verdictTable, winnerTable } from "./report.ts";
import type { Results } from "./results.ts";
import { warmSeconds } from "./rounds.ts";
import type { Verdict } from "./targets.ts";
import { rareWarmSeconds, works } from "./work.ts";

const drawbacks = `fstream is not the best everywhere. With few watchers, or a few small channels, there is little to gather, and it takes more CPU
than servers in C (\`10x4\`, \`3x2x4000\`). For an FLV audience SRS takes less than fstream by sending only every 350 ms; compare it with
\`fstream-350\`, which waits as long (\`flv500\`, \`flv1000\`, \`flv2000\`). fstream takes more memory than Icecast and nginx-rtmp, and when
many join at once their first bytes come later than from the reference in C (\`crowd\`).`;

const rareNames = works
  .filter(({ warm }) => warm === rareWarmSeconds)
  .map(({ name }) => `\`${name}\``)
  .join(" and ");

export function page(results: Results, verdicts: readonly Verdict[], picture: boolean): string {
  const winners = winnerTable(results);
  const sections = [
    `# Benchmarks

Written by \`scripts/bench --docs\`. Measured on ${results.date}: ${results.machine}.

One CPU runs the server, another the load, over the loopback interface. "CPU s/GB" is the server process's user and system
time per GB (10⁹ bytes) that watchers received. Delay is measured from the broadcaster's write of a block (1316 bytes) or
FLV tag to the arrival of its last byte at a watcher, over all checked watchers. The first ${warmSeconds} s
of a stream, in which TCP windows open and code is compiled, are not measured (${rareWarmSeconds} s of ${rareNames}, where little is done in a second). Up to 4 Gbit/s, every watcher's bytes are compared with what was sent; beyond that, those of one watcher in 50. Servers are restarted for each measurement and take
turns within a round (the name in brackets has \`scripts/bench --only NAME\` measure a row alone); each figure is the median over the rounds, and ratios are taken within a round, so they can differ a little from the quotient of the medians. Compare ratios: absolute
figures depend on the machine.

- \`fstream\` runs with default settings, so bytes may wait up to 20 ms (\`max_delay\`) to be sent in larger writes.
- Watchers of \`fstream-get\` use HTTP on the protocol's port, those of \`fstream-http\` on the HTTP port; those of
  \`fstream-socket\` use WebSockets there. Those of \`fstream-tls\` use TLS, and those of \`fstream-https\` HTTPS.
- \`C\` is [an epoll fan-out](../test/bench/fanout.c) of the same design, and nothing else: one ring, a cursor per watcher,
  immediate sends. It shows what the kernel allows for a server that sends immediately.
- \`icecast\` is Debian's, with a queue as long as fstream's backlog, and without its burst except where joiners are timed.
- \`fstream-50\` and \`fstream-350\` set \`min_delay\` to 50 and 350 ms, so bytes are gathered for at least that long.
- \`nginx-rtmp\` (Debian's module), \`srs\` ([SRS](https://github.com/ossrs/srs)) and \`mediamtx\`
  ([MediaMTX](https://github.com/bluenviron/mediamtx)) run with their defaults. The FLV is published to them over RTMP, each tag
  when it is due, exactly as it is sent to the others, and a frame's delay is measured in the same way. Watchers of nginx-rtmp
  and MediaMTX use RTMP, those of SRS HTTP-FLV. MediaMTX adds parameter sets to keyframes, so these are recognised by their last
  16 bytes and not compared in full.
- SRS checks for new frames every 350 ms for each watcher (\`mw_latency\`). \`srs-20\` checks every 20 ms, which is fstream's
  \`max_delay\`; \`srs-0\` checks all the time, so it uses a whole CPU however small the load.`,
    picture
      ? "## Many watchers of 4 Mbit/s\n\n![CPU and delay against the number of watchers](benchmarks.svg)"
      : "",
    winners === ""
      ? ""
      : `## Which server is best at what\n\nEach row names the best of the servers that delivered everything, and compares fstream with it, or with the second best where fstream is the best.\n\n${winners}\n\n${drawbacks}`,
    verdicts.length > 0 ? `## Targets\n\n${verdictTable(verdicts)}` : "",
    Object.keys(results.fanOuts).length > 0 ? `## Fan-out\n\n${fanOutTable(results)}` : "",
    Object.keys(results.figures).length > 0 ? `## Memory, pipes, start\n\n${figureTable(results)}` : "",
    results.detectors === ""
      ? ""
      : `## Detectors\n\nHow fast streams are searched for join points, in MB/s on one core.\n\n\`\`\`\n${results.detectors.trimEnd()}\n\`\`\``,
    results.warnings.length > 0
      ? `## Doubtful figures\n\nWhere the load itself was near its limits, the server may be better than shown.\n\n${list(results.warnings)}`
      : "",
    results.leftOut.length > 0 ? `## Left out\n\n${list(results.leftOut)}` : "",
    `## How to reproduce

\`\`\`sh
scripts/bench            # everything, about 20 minutes
scripts/bench --quick    # a first look, under two minutes
scripts/bench --check    # exits 1 if a ratio to the reference is far worse than before
scripts/bench --list     # lists the measurements, for --only NAME
scripts/bench --only 500x4 --rounds 1    # one of them, once

SRS=/path/to/srs MEDIAMTX=/path/to/mediamtx scripts/bench    # with these peers too
\`\`\`

It needs Linux, gcc, taskset and ss; on Debian, as root, it installs what is missing. It downloads Bun and npm packages. Debian packages neither SRS nor
MediaMTX: set \`SRS\` and \`MEDIAMTX\` to their binaries, which are then started with generated settings. Otherwise their rows say that
they are left out. Build SRS with \`./configure --extra-flags=-O2\`, since its default is \`-O0\`.`,
  ];
  return `${sections.filter((section) => section !== "").join("\n\n")}\n`;
}

function list(words: readonly string[]): string {
  return words.map((word) => `- ${word}`).join("\n");
}
