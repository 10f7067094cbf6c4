"""Packs above a size find no memory: they are cut, and the size is kept for the next run."""

from __future__ import annotations

from chaos import sweeps
from chaos.arena import Arena, summary
from chaos.judge import judge
from chaos.outcome import Finding, Scenario
from chaos.patches import patched

#: A step of a pack of more than three asks the allocator for 128 TiB, which it truly refuses.
_SMALL = """
def changed(name, module):
    if name == "explorer.training.loop":
        train = module.PackTrainer._train_one_step
        def hungry(self):
            if self._step == 20 and len(self._members) > 3:
                module.torch.empty(2**45)
            train(self)
        module.PackTrainer._train_one_step = hungry
"""


def run(arena: Arena) -> Finding:
    """A run whose packs are too large, and a larger one after it, which knows better."""
    finding = Finding()
    steps = 600 if arena.full else 200
    first = sweeps.grid(arena.folder, "first", batch_sizes=(16, 32), steps=steps, seeds=2)
    second = sweeps.grid(arena.folder, "second", batch_sizes=(16, 32), steps=steps, seeds=4)
    store = arena.folder / "s"
    environment = patched(arena.folder, _SMALL)
    for number, sweep in enumerate((first, second)):
        process = arena.run(sweep.path, store, "--pack-size", 8, environment=environment)
        ended = process.ended()
        arena.expect(finding, ended, what=f"the {sweep.path.stem} run")
        told = summary(ended)
        split = int(str(told.get("split", -1)))
        finding.faults += max(0, split)
        finding.notes.append(f"the {sweep.path.stem} run cut {split} packs")
        if number == 0 and split < 1:
            finding.problems.append("no pack was cut")
        if number == 1 and split != 0:
            finding.problems.append("the second run did not know the learnt size")
    finding.verdicts.append(judge(str(store), second.truth))
    return finding


SCENARIO = Scenario("out-of-memory", "packs above a size find no memory", run)
