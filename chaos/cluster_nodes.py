"""Nodes join a Ray cluster and one is lost without warning; the run goes on."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from chaos import sweeps
from chaos.arena import Arena
from chaos.judge import judge
from chaos.outcome import Finding, Scenario
from chaos.processes import Started, parent_of, python

#: Every socket on loopback.
_PRIVATE = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0", "RAY_USAGE_STATS_ENABLED": "0"}

#: Obeys `add` and `remove`, one a line; says the address and each node's process first.
_CLUSTER = """
import json, sys
from ray.cluster_utils import Cluster
given = {"num_cpus": 1, "object_store_memory": 150 * 2**20}
cluster = Cluster(initialize_head=True, head_node_args={**given, "include_dashboard": False})
def add():
    node = cluster.add_node(**given)
    nodes.append(node)
    return node.all_processes["raylet"][0].process.pid
nodes = []
pids = [add(), add()]
print(json.dumps({"address": cluster.address, "nodes": pids}), flush=True)
for line in sys.stdin:
    if line.strip() == "add":
        print(json.dumps(add()), flush=True)
    elif line.strip() == "remove":
        cluster.remove_node(nodes.pop(0), allow_graceful=False)
        print("0", flush=True)
cluster.shutdown()
"""


def run(arena: Arena) -> Finding:
    """Three nodes of one core; a fourth joins, one of the first is lost, and a fifth joins."""
    finding = Finding()
    sweep = sweeps.grid(arena.folder, steps=4000 if arena.full else 1200)
    store = arena.folder / "s"
    cluster = arena.start(python(_CLUSTER), _PRIVATE)
    told = _answer(cluster, 1)
    process = arena.run(
        sweep.path,
        store,
        "--pack-size",
        sweep.pack_size,
        "--address",
        told["address"],
        environment=_PRIVATE,
    )
    used: set[int] = set()
    added: list[int] = []
    _until(process, store, 4, cluster, used)
    if set(told["nodes"]) - used:
        finding.problems.append(f"of the nodes {told['nodes']} only {sorted(used)} were used")
    for number, (word, commits) in enumerate((("add", 12), ("remove", 16), ("add", 10**9)), 2):
        if not process.running:
            finding.problems.append(f"the run ended before the cluster could {word}")
            break
        arena.say(f"a node: {word}")
        _tell(cluster, word)
        changed = _answer(cluster, number)
        finding.faults += 1
        if word == "add":
            added.append(changed)
        _until(process, store, commits, cluster, used)
    ended = process.ended()
    arena.expect(finding, ended)
    for node in added:
        if node not in used:
            finding.problems.append(f"node {added.index(node) + 1} of those added was not used")
    finding.verdicts.append(judge(str(store), sweep.truth))
    finding.notes.append(f"the run took {ended.seconds:.0f} s")
    return finding


def _tell(cluster: Started, word: str) -> None:
    assert cluster.popen.stdin is not None
    cluster.popen.stdin.write(f"{word}\n".encode())
    cluster.popen.stdin.flush()


def _answer(cluster: Started, number: int, patience: float = 90.0) -> Any:
    """The cluster's answer of this number, from 1.

    Raises:
        RuntimeError: there is none in time.
    """
    deadline = time.monotonic() + patience
    while cluster.running and time.monotonic() < deadline:
        lines = [line for line in cluster.out.split("\n")[:-1] if line[:1] in "{0123456789"]
        if len(lines) >= number:
            return json.loads(lines[number - 1])
        time.sleep(0.1)
    raise RuntimeError("the cluster does not answer")


def _until(process: Started, store: Path, commits: int, cluster: Started, used: set[int]) -> None:
    """Wait for so many commits, or the run's end; gather the nodes whose workers hold packs."""
    trials = store / "trials"
    while process.running and not (trials.exists() and len(list(trials.iterdir())) >= commits):
        used |= {parent for pid in cluster.workers() if (parent := parent_of(pid)) is not None}
        time.sleep(0.2)


SCENARIO = Scenario("cluster-nodes", "nodes join, one is lost without warning", run)
