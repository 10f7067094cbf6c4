"""Two runs of overlapping spaces at once on one store; both are killed and started again."""

from __future__ import annotations

import time

from chaos import sweeps
from chaos.arena import Arena, summary
from chaos.judge import judge
from chaos.outcome import Finding, Scenario


def run(arena: Arena) -> Finding:
    """Start both within a second, kill both somewhere, start both again, to the end."""
    finding = Finding()
    steps = 1200 if arena.full else 400
    pairs = [
        sweeps.grid(arena.folder, "small_batches", batch_sizes=(8, 16, 32), steps=steps),
        sweeps.grid(arena.folder, "large_batches", batch_sizes=(16, 32, 64), steps=steps),
    ]
    truth = {**pairs[0].truth, **pairs[1].truth}
    for turn in range(3 if arena.full else 1):
        store = arena.folder / f"s{turn}"
        for kill in (True, False) if arena.full else (False,):
            runs = []
            for sweep in pairs:
                runs.append(arena.run(sweep.path, store, "--pack-size", sweep.pack_size))
                time.sleep(arena.chance.uniform(0.0, 1.0))
            if kill:
                time.sleep(arena.chance.uniform(10.0, 22.0))
                for process in runs:
                    if process.running:
                        process.kill()
                        finding.faults += 1
                continue
            ended = [process.ended() for process in runs]
            for each in ended:
                arena.expect(finding, each)
            trained, elsewhere, retried = (
                [summary(each).get(name) for each in ended]
                for name in ("trained", "elsewhere", "retried")
            )
            finding.notes.append(
                f"turn {turn + 1}: of {len(truth)} trials the last two runs trained {trained} in "
                f"{max(each.seconds for each in ended):.0f} s, found {elsewhere} done by each "
                f"other, and tried {retried} packs again"
            )
        finding.verdicts.append(judge(str(store), truth))
    return finding


SCENARIO = Scenario("two-runs", "two runs of overlapping spaces on one store, both killed", run)
