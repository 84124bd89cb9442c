// Peers whose network is gone without a word: no FIN, no reset, as when a cable is pulled. The server and its peers are in networks of
// their own, with a link between them that is cut.

import { expect, setDefaultTimeout, test } from "bun:test";
import { readdirSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { deadlineMs, Run, TestServer, until } from "./program.ts";

setDefaultTimeout(2 * deadlineMs);

/** Runs the server at 192.0.2.1; its peers' network, with 192.0.2.2, is the one of the process whose id it says. */
const inNetworks = [
  "unshare",
  "-rn",
  "sh",
  "-ec",
  `unshare -n sleep 600 &
   peers=$!
   until [ "$(readlink /proc/$peers/ns/net)" != "$(readlink /proc/$$/ns/net)" ]; do sleep 0.01; done
   ip link set lo up
   ip link add server type veth peer name peer netns $peers
   ip address add 192.0.2.1/24 dev server
   ip link set server up
   nsenter -t $peers -n sh -ec 'ip address add 192.0.2.2/24 dev peer; ip link set peer up'
   echo "peers: $peers" >&2
   exec "$@"`,
  "sh",
];

/** Runs a command in the network of a process. */
const networkOf = (pid: string) => ["nsenter", "-t", pid, "-U", "-n", "--preserve-credentials"];

/** Whether this machine lets its users have such networks, and has what makes them. */
function hasNetworks(): boolean {
  const command = [...inNetworks.map((word) => word.replace("sleep 600", "sleep 1")), "true"];
  return Bun.spawnSync(command, { stderr: "ignore" }).exitCode === 0;
}

const isThere = ["unshare", "nsenter", "ip"].every((name) => Bun.which(name) !== null) && hasNetworks();

function socketsOf(pid: number): number {
  const folder = `/proc/${pid}/fd`;
  return readdirSync(folder).filter((fd) => {
    try {
      return readlinkSync(join(folder, fd)).startsWith("socket:");
    } catch {
      return false; // closed meanwhile
    }
  }).length;
}

/** A server with a stream, and what runs a command beside it, and in the network of its peers; `cut` cuts the link between. */
async function serveOverLink() {
  const server = await TestServer.start({
    listeners: { listen: "0.0.0.0:0" },
    server: 'https_listen = ""',
    fstream: 'hold = "1h"',
    under: inNetworks,
  });
  const [, peers] = await server.says(/^peers: (\d+)$/m);
  const here = networkOf(`${server.run.process.pid}`);
  const there = networkOf(peers);
  return {
    server,
    here,
    there,
    address: `192.0.2.1:${server.port("tcp")}`,
    /** How many sockets it has. */
    open: () => socketsOf(server.run.process.pid),
    cut: () => expect(Bun.spawnSync([...there, "ip", "link", "set", "peer", "down"]).exitCode).toBe(0),
    stop: async () => {
      process.kill(Number(peers), "SIGKILL");
      expect(await server.stop()).toBe(0);
      expect(server.run.stderr).not.toContain("did not finish in time");
    },
  };
}

const fier = { fserv_arg_user: "fier", fserv_arg_user_password: "123" };

test.skipIf(!isThere)(
  "peers whose network is gone are found: their broadcast is held for another to go on, and nothing is left of them",
  async () => {
    const { server, here, there, address, open, cut, stop } = await serveOverLink();

    // One beside the server, for which all goes on; there a broadcaster, and watchers that wait.
    const watcher = new Run([address, "watch", "--wait"], fier, here);
    await server.watched("fier/default", 1);
    const before = open();
    const broadcaster = new Run([address, "broadcast"], fier, there);
    await broadcaster.send("before ");
    await server.says(/fier\/default: broadcast from 192\.0\.2\.2 started/);
    const waiting = new Run([address, "watch", "--wait"], { ...fier, fserv_arg_channel: "later" }, there);
    await server.watched("fier/later", 1);
    expect(open()).toBeGreaterThan(before);

    cut();
    await server.says(/fier\/default: broadcast interrupted after 7 bytes: /);
    await until("nothing is left of them", () => open() <= before);

    // The same user goes on from elsewhere, and its watcher has it all.
    const next = new Run([address, "broadcast"], fier, here);
    await next.finish("after");
    expect(await next.exit()).toBe(0);
    expect(await watcher.outcome()).toMatchObject({ status: 0, stdout: "before after" });
    broadcaster.process.kill("SIGKILL");
    waiting.process.kill("SIGKILL");
    await stop();
  },
);

test.skipIf(!isThere)(
  "watchers whose network is gone while they are sent a stream are found, and those that only take nothing stay",
  async () => {
    const { server, here, there, address, open, cut, stop } = await serveOverLink();
    const gone = new Run([address, "watch", "--wait"], fier, there);
    // Its output is read by nobody until its input ends.
    const unread = ["sh", "-c", 'exec 3<&0; "$@" < /dev/null | cat <&3', "sh"];
    const stuck = new Run([address, "watch", "--wait"], fier, [...here, ...unread]);
    await server.watched("fier/default", 2);
    const broadcaster = new Run([address, "broadcast"], fier, here);
    const isFed = { yet: true };
    const feed = async () => {
      while (isFed.yet) await broadcaster.send(new Uint8Array(1_000_000));
    };
    const fed = feed();
    await until("the stream comes", () => gone.length > 20_000_000);
    const before = open();
    cut();
    await until("the one is found that has gone", () => open() === before - 1);
    isFed.yet = false;
    await fed;
    // The other one has taken nothing for as long.
    expect(open()).toBe(before - 1);
    for (const run of [gone, broadcaster]) run.process.kill("SIGKILL");
    await stuck.finish();
    await stuck.exit();
    await stop();
  },
);
