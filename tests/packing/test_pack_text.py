import random

from explorer.pack_text import decode_members, encode_members
from explorer.packing import make_packs
from explorer.trial import Configuration


def test_round_trip_keeps_every_bit(make_trial):
    draw = random.Random(3)
    members = [
        make_trial(
            learning_rate=draw.lognormvariate(0, 3),
            momentum=draw.random() * 0.99,
            weight_decay=draw.choice([0.0, 1e-12, draw.random()]),
            clip_norm=draw.choice([0.1, 2.0]),
            final_decay=draw.random(),
            seed=draw.randrange(2**40),
            budget=draw.choice(["steps", "epochs"]),
            budget_value=draw.randrange(1, 500),
            model="größe-µ",
        )
        for _ in range(64)
    ]
    assert list(decode_members(encode_members(members))) == members
    assert decode_members(encode_members([make_trial()])) == (make_trial(),)


def test_trial_ids_survive(grid):
    for pack in make_packs(grid, 2):
        decoded = decode_members(encode_members(pack.configurations))
        assert [c.trial_id for c in decoded] == [c.trial_id for c in pack.configurations]


def test_texts_are_short(grid, make_trial):
    """Tune repeats a config in the tag, the state and each result: 60 kB a pack would add up."""
    assert max(len(encode_members(p.configurations)) for p in make_packs(grid, 2)) < 500
    draw = random.Random(4)
    adaptive = [
        make_trial(
            learning_rate=draw.random(), momentum=draw.random(), seed=seed, weight_decay=1e-4
        )
        for seed in range(64)
    ]
    assert len(encode_members(adaptive)) < 2_000
    assert isinstance(adaptive[0], Configuration)
