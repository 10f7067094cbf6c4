"""Packs that always raise, and packs that always kill their worker, beside healthy ones."""

from __future__ import annotations

from chaos.arena import Arena, summary
from chaos.judge import judge
from chaos.outcome import Finding, Scenario
from chaos.sweeps import truth_of
from explorer.space import load_space

_RAISES = "this pack always fails"

#: The models misbehave in a worker's training alone, not where a run looks at them beforehand.
_SPACE = """
from explorer.space import SearchSpace, steps
import torch

def in_a_worker(x):
    import sys
    return x.device.type == "cpu" and "default_worker" in sys.argv[0]

def raising(input_shape, n_classes):
    class Raising(torch.nn.Linear):
        def forward(self, x):
            if in_a_worker(x):
                raise RuntimeError("this pack always fails")
            return super().forward(x.flatten(1))
    return Raising(64, n_classes)

def killing(input_shape, n_classes):
    class Killing(torch.nn.Linear):
        def forward(self, x):
            import os, signal
            if in_a_worker(x):
                os.kill(os.getpid(), signal.SIGKILL)
            return super().forward(x.flatten(1))
    return Killing(64, n_classes)

space = SearchSpace(
    dataset="digits",
    model=[raising, killing, "mlp-16"],
    train_size=200,
    batch_size=[16, 32],
    learning_rate={learning_rates},
    budget=steps(300),
    evaluate=3,
    seeds={seeds},
)
"""


def run(arena: Arena) -> Finding:
    """Run it, and once more: failed trials are tried again, finished ones are not."""
    finding = Finding()
    path = arena.folder / "failing.py"
    rates, seeds = ([0.05, 0.2], 3) if arena.full else ([0.05], 1)
    path.write_text(_SPACE.format(learning_rates=rates, seeds=seeds), encoding="utf-8")
    store = arena.folder / "s"
    configurations = list(load_space(str(path)).space.configurations())
    truth = truth_of(c for c in configurations if c.model == "mlp-16")
    failing = {
        c.trial_id: _RAISES if c.model == "raising" else ""
        for c in configurations
        if c.model != "mlp-16"
    }
    for attempt in range(2 if arena.full else 1):
        ended = arena.run(path, store, "--pack-size", 2).ended()
        arena.expect(finding, ended, (1,), what=f"run {attempt + 1}")
        told = summary(ended)
        if told.get("failed") != len(failing):
            finding.problems.append(f"{told.get('failed')} failed, not {len(failing)}")
        if attempt and told.get("already_done") != len(truth):
            finding.problems.append("the second run trained healthy trials again")
        finding.notes.append(f"run {attempt + 1} took {ended.seconds:.0f} s")
        finding.faults += len(failing)
    finding.verdicts.append(judge(str(store), truth, failing))
    return finding


SCENARIO = Scenario("failing-packs", "packs that raise, or kill their worker, every time", run)
