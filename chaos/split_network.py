"""A cluster of hosts with networks of their own: links fail and nothing is stopped."""

from __future__ import annotations

import time
from pathlib import Path

from chaos import sweeps
from chaos.arena import Arena, summary
from chaos.hosts import Hosts, hosts
from chaos.judge import judge
from chaos.outcome import Finding, Scenario
from chaos.processes import Ended, Started, python

#: The hosts reach nobody but each other, and a token of the user's is none of theirs.
_OPEN = {"RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0"}
_RAY = "from ray.scripts.scripts import main; main()"
_NODE = ("--block", "--num-cpus=1", f"--object-store-memory={150 * 2**20}")
_PORT = 6379
#: Numbers of the hosts.
_HEAD, _DRIVERS, _OTHER = range(3)


def run(arena: Arena) -> Finding:
    """Cut the head's link for seconds; a driver's for good; a node's for good, and go on."""
    finding = Finding()
    with hosts(3) as network:
        split = _Split(arena, finding, network)
        split.start_cluster()
        split.blink()
        split.lose_driver()
        split.lose_node()
    return finding


class _Split:
    """Three hosts, each a node of one core, and the runs on them."""

    def __init__(self, arena: Arena, finding: Finding, network: Hosts) -> None:
        self._arena = arena
        self._finding = finding
        self._network = network
        self._sweep = sweeps.grid(arena.folder, steps=4000 if arena.full else 1200)
        self._head = f"{network.address(_HEAD)}:{_PORT}"

    def start_cluster(self) -> None:
        """Start Ray on each host.

        Raises:
            RuntimeError: it does not start.
        """
        for host in (_HEAD, _DRIVERS, _OTHER):
            joins = ["--address", self._head]
            if host == _HEAD:
                joins = ["--head", f"--port={_PORT}", "--include-dashboard=false"]
                joins += ["--temp-dir", str(self._arena.folder / "r")]
            own = ["--node-ip-address", self._network.address(host)]
            command = python(_RAY, "start", *_NODE, *joins, *own)
            node = self._arena.start([*self._network.within(host), *command], _OPEN)
            deadline = time.monotonic() + 90
            while "Ray runtime started" not in node.out:
                if not node.running or time.monotonic() > deadline:
                    raise RuntimeError(f"no node on host {host}: {(node.out + node.error)[-500:]}")
                time.sleep(0.1)

    def blink(self) -> None:
        """The head's link is away for some seconds: less than Ray waits for."""
        store = self._arena.folder / "a"
        process = self._run(store, _HEAD)
        for _ in range(3 if self._arena.full else 1):
            self._await_more(process, store)
            seconds = self._arena.chance.uniform(3.0, 15.0)
            self._cut(_HEAD)
            time.sleep(seconds)
            self._network.heal(_HEAD)
            self._finding.notes.append(f"the head's link was away for {seconds:.0f} s")
        self._expect(process.ended(), "a run while the head's link was away")
        self._finding.verdicts.append(judge(str(store), self._sweep.truth))

    def lose_driver(self) -> None:
        """The host of a driver is cut off from the head: the run ends, and says why."""
        store = self._arena.folder / "b"
        process = self._run(store, _DRIVERS)
        self._await_more(process, store)
        began = self._cut(_DRIVERS)
        ended = process.ended()
        seconds = time.monotonic() - began
        self._network.heal(_DRIVERS)
        says, what = "is gone", "a run that was cut off from the head"
        self._arena.expect(self._finding, ended, (3,), says=says, what=what)
        self._finding.notes.append(f"a driver that was cut off ended after {seconds:.0f} s")

    def lose_node(self) -> None:
        """Then a node is cut off while another run goes on.

        Its worker ends the stride that it is in, and may publish: nobody hears of it.
        """
        store = self._arena.folder / "b"
        process = self._run(store, _HEAD)
        self._await_more(process, store)
        began = self._cut(_OTHER)
        while process.running and "A worker died" not in process.error:
            time.sleep(0.2)
        if process.running:
            seconds = time.monotonic() - began
            self._finding.notes.append(f"a node that was cut off was missed after {seconds:.0f} s")
        ended = process.ended()
        self._expect(ended, "a run that a node was cut off from")
        self._finding.notes.append(f"that run took {ended.seconds:.0f} s")
        self._network.heal(_OTHER)
        began = time.monotonic()
        while self._network.processes(_OTHER) and time.monotonic() - began < 60:
            time.sleep(0.2)
        if self._network.processes(_OTHER):
            self._finding.problems.append("the node that was cut off lives on in the cluster")
        self._finding.verdicts.append(judge(str(store), self._sweep.truth))

    def _run(self, store: Path, host: int) -> Started:
        size = self._sweep.pack_size
        return self._arena.run(
            self._sweep.path,
            store,
            *("--pack-size", size, "--address", self._head),
            environment=_OPEN,
            within=self._network.within(host),
        )

    def _await_more(self, process: Started, store: Path, commits: int = 4) -> None:
        """Wait for so many new results, so that packs are under way on every host."""
        trials = store / "trials"
        before = len(list(trials.glob("*"))) if trials.exists() else 0
        while process.running and len(list(trials.glob("*"))) < before + commits:
            time.sleep(0.1)

    def _cut(self, host: int) -> float:
        """Cut a host's link, somewhere in a pack; gives the time."""
        time.sleep(self._arena.chance.uniform(0.2, 1.0))
        self._arena.say(f"the link of host {host} is cut")
        self._network.cut(host)
        self._finding.faults += 1
        return time.monotonic()

    def _expect(self, ended: Ended, what: str) -> None:
        self._arena.expect(self._finding, ended, what=what)
        if not summary(ended):
            self._finding.problems.append(f"{what} printed other than JSON: {ended.out[:300]}")


SCENARIO = Scenario("split-network", "hosts are cut off from each other, nothing is stopped", run)
