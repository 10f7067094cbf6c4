"""Runs in processes of their own, as the command line makes them: signals, sockets, imports."""

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest

import explorer
from explorer.datasets import load_dataset
from explorer.space import load_space
from explorer.store import Store
from explorer.training import train_pack

ROOT = Path(explorer.__file__).resolve().parents[1]
MARK = "EXPLORER_TEST_MARK"
NAMESAKES = ("analysis", "explorer", "searchspaces", "torch", "space")

RUN = """
import json, sys
from dataclasses import asdict
from explorer.run import run_study
from explorer.space import load_space
from explorer.store import Store
space, store, options = sys.argv[1:]
summary = run_study(
    load_space(space), store=Store.open(store, create=True), study="s", **json.loads(options)
)
print(json.dumps({**asdict(summary), "ray": "ray" in sys.modules}))
sys.exit(130 if summary.interrupted else 1 if summary.failed else 0)
"""

CLUSTER = """
import os, sys
os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
from explorer import ray_environment
ray_environment.prepare("127.0.0.1")
from ray.cluster_utils import Cluster
print(os.getpid())
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
cluster.add_node(num_cpus=1)
import json
from explorer.run import run_study
from explorer.space import load_space
from explorer.store import Store
summary = run_study(
    load_space(sys.argv[1]), store=Store.open(sys.argv[2], create=True), study="s",
    pack_size=1, address=cluster.address,
)
print(json.dumps({"trained": summary.trained, "failed": summary.failed}))
cluster.shutdown()
"""

#: A user's model that notes its process and the modules that it finds under our names.
NOTED = """
from explorer.space import SearchSpace, steps
import torch
NOTES = {notes!r}
def noted(input_shape, n_classes):
    import json, os, time, analysis, explorer, searchspaces
    files = [module.__file__ for module in (analysis, explorer, searchspaces)]
    with open(NOTES, "a") as file:
        file.write(json.dumps([os.getpid(), os.getcwd(), files]) + chr(10))
    time.sleep({sleep})
    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, n_classes))
space = SearchSpace(
    dataset="digits", model=noted, train_size=200, batch_size=32, learning_rate=0.1,
    seeds={seeds}, budget=steps(20), evaluate=2,
)
"""


class Process:
    """A Python process outside of this session, and all that descends from it."""

    def __init__(self, code, *arguments, cwd, **environment):
        self.mark = uuid.uuid4().hex
        variables = {**os.environ, "PYTHONPATH": str(ROOT), MARK: self.mark, **environment}
        # -P as for an installed command: the current folder is not on the driver's import path.
        self.popen = subprocess.Popen(
            [sys.executable, "-P", "-c", code, *map(str, arguments)],
            cwd=cwd,
            env=variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def wait(self, timeout=120):
        out, err = self.popen.communicate(timeout=timeout)
        return self.popen.returncode, out, err

    def family(self):
        """Ids of the living processes that inherited the mark."""
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                marked = f"{MARK}={self.mark}".encode() in (folder / "environ").read_bytes()
                alive = (folder / "stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
            except OSError:
                continue
            if marked and alive:
                found.append(int(folder.name))
        return found

    def listening(self):
        """Local addresses, in hexadecimal, of the family's listening TCP sockets."""
        inodes = set()
        for pid in self.family():
            try:
                links = [os.readlink(fd) for fd in Path(f"/proc/{pid}/fd").iterdir()]
            except OSError:
                continue
            inodes |= {link[8:-1] for link in links if link.startswith("socket:[")}
        addresses = []
        for table in ("/proc/net/tcp", "/proc/net/tcp6"):
            for line in Path(table).read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == "0A" and fields[9] in inodes:
                    addresses.append(fields[1].split(":")[0])
        return addresses


@pytest.fixture
def start():
    """Start marked processes; whatever is left of them is killed at the end, by id."""
    processes = []

    def build(code, *arguments, **options):
        processes.append(Process(code, *arguments, **options))
        return processes[-1]

    yield build
    for process in processes:
        process.popen.stdout.close()
        process.popen.stderr.close()
        for pid in process.family():
            os.kill(pid, signal.SIGKILL)
        process.popen.wait()


def wait_for(condition, timeout=240):
    deadline = time.monotonic() + timeout
    while not (found := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return found


@pytest.fixture
def noted_space(tmp_path):
    def build(sleep, seeds):
        path = tmp_path / "space.py"
        path.write_text(NOTED.format(notes=str(tmp_path / "notes"), sleep=sleep, seeds=seeds))
        return path, tmp_path / "notes"

    return build


def notes_of(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


needs_proc = pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="reads /proc")


@needs_proc
def test_from_a_folder_of_namesakes_with_sockets_on_loopback(tmp_path, noted_space, start):
    folder = tmp_path / "namesakes"
    folder.mkdir()
    for name in NAMESAKES:
        (folder / f"{name}.py").write_text("raise RuntimeError('a namesake was imported')\n")
    space, notes = noted_space(sleep=1.0, seeds=4)
    options = '{"pack_size": 1}'
    run = start(RUN, space, tmp_path / "store", options, cwd=folder, HOME=str(tmp_path / "home"))
    wait_for(notes.exists)
    addresses = run.listening()
    code, out, err = run.wait()
    assert (code, err) == (0, "")
    assert json.loads(out)["trained"] == 4
    loopback = {"0100007F", "0" * 24 + "01000000", "0000000000000000FFFF00000100007F"}
    assert len(addresses) >= 4  # gcs, raylet, workers, driver
    assert set(addresses) <= loopback
    ours = [str(ROOT / name / "__init__.py") for name in ("analysis", "explorer", "searchspaces")]
    for _, cwd, files in notes_of(notes):
        assert files == ours
        assert cwd == str(folder)
    assert {path.stem for path in folder.iterdir()} == set(NAMESAKES)  # nothing was left there
    assert not (tmp_path / "home" / ".ray").exists()  # no token that a later Ray would ask for
    wait_for(lambda: not run.family())

    began = time.monotonic()
    again = start(RUN, space, tmp_path / "store", "{}", cwd=folder)
    code, out, _ = again.wait()
    summary = json.loads(out)
    assert (code, summary["already_done"], summary["ray"]) == (0, 4, False)
    assert time.monotonic() - began < 20


@needs_proc
def test_ctrl_c_keeps_what_is_finished_and_the_next_run_completes_it(tmp_path, start):
    path = tmp_path / "space.py"
    path.write_text(
        "from explorer.space import SearchSpace, steps\n"
        "space = SearchSpace(dataset='digits', model='mlp-16', train_size=500, batch_size=16,\n"
        "    learning_rate=[0.05, 0.1, 0.2], seeds=8, budget=steps(6000), evaluate=3)\n"
    )
    store = Store.open(str(tmp_path / "store"), create=True)
    options = '{"pack_size": 4}'
    run = start(RUN, path, store.location, options, cwd=tmp_path)
    wait_for(store.statuses)
    os.killpg(run.popen.pid, signal.SIGINT)  # as a terminal does: to Ray's processes too
    os.killpg(run.popen.pid, signal.SIGHUP)  # and one that goes away
    time.sleep(0.3)
    os.kill(run.popen.pid, signal.SIGTERM)
    code, out, err = run.wait(60)
    summary = json.loads(out)
    assert (code, err, summary["interrupted"]) == (130, "", True)
    kept = store.statuses()
    assert 4 <= len(kept) < 24
    assert set(kept.values()) == {"completed"}
    assert (summary["trained"], summary["failed"]) == (len(kept), 0)
    wait_for(lambda: not run.family())

    code, out, _ = start(RUN, path, store.location, options, cwd=tmp_path).wait()
    summary = json.loads(out)
    assert code == 0
    assert (summary["already_done"], summary["trained"]) == (len(kept), 24 - len(kept))

    trials, curves = store.snapshot()
    assert trials.num_rows == 24
    points = {(p["trial_id"], p["step"]): p for p in curves.to_pylist()}
    assert len(points) == 24 * 3
    undisturbed = train_pack(list(load_space(path).space.configurations()), load_dataset("digits"))
    for result in undisturbed:
        for evaluation in result.evaluations:
            point = points[result.configuration.trial_id, evaluation.step]
            assert point["test_loss"] == evaluation.test_loss
            assert point["train_loss"] == evaluation.train_loss
            assert point["test_accuracy"] == evaluation.test_accuracy


@needs_proc
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_signal_that_ends_ray_too_ends_the_run_soon(tmp_path, start, number):
    """As `timeout` and batch systems send it; Ray alone would wait for a minute, then abort."""
    path = tmp_path / "space.py"
    path.write_text(
        "from explorer.space import SearchSpace, steps\n"
        "space = SearchSpace(dataset='digits', model='mlp-16', train_size=500, batch_size=16,\n"
        "    learning_rate=0.1, seeds=8, budget=steps(20000), evaluate=3)\n"
    )
    store = Store.open(str(tmp_path / "store"), create=True)
    run = start(RUN, path, store.location, '{"pack_size": 1}', cwd=tmp_path)
    wait_for(store.statuses)
    if number == signal.SIGTERM:
        os.killpg(run.popen.pid, signal.SIGTERM)
    else:  # Ray's head alone
        children = Path(f"/proc/{run.popen.pid}/task/{run.popen.pid}/children").read_text().split()
        names = {int(pid): Path(f"/proc/{pid}/cmdline").read_text() for pid in children}
        (head,) = [pid for pid, name in names.items() if "/gcs_server" in name]
        os.kill(head, signal.SIGKILL)
    began = time.monotonic()
    code, _, err = run.wait(50)
    assert time.monotonic() - began < 45
    assert code == (130 if number == signal.SIGTERM else 3), err
    if number == signal.SIGKILL:
        assert "ended from outside; finished packs are kept" in err
    assert store.statuses()
    assert store.read_notes("claim") == {}
    wait_for(lambda: not run.family())


def test_a_running_cluster_of_two_nodes(tmp_path, noted_space, start):
    space, notes = noted_space(sleep=0.3, seeds=8)
    code, out, err = start(CLUSTER, space, tmp_path / "store", cwd=tmp_path).wait()
    assert code == 0, err
    assert json.loads(out.splitlines()[-1]) == {"trained": 8, "failed": 0}
    pids = {pid for pid, _, _ in notes_of(notes)}
    assert len(pids) == 2
    assert int(out.splitlines()[0]) not in pids  # the driver runs no model of the user's
    assert list((tmp_path / "store" / "tmp").iterdir()) == []
    assert [p for p in (tmp_path / "store" / "checkpoints").rglob("*") if p.is_file()] == []
