"""Packs: trials of one shape that train as one stacked computation, and what they cost."""

from __future__ import annotations

import hashlib
import heapq
import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from explorer.cores import available_cores as available_cores  # benchmarks import it from here
from explorer.cost_model import CostModel as CostModel
from explorer.cost_model import Workload as Workload
from explorer.cost_model import Workloads as Workloads
from explorer.cost_model import member_bytes, shared_bytes
from explorer.cost_model import workload_of as workload_of
from explorer.errors import InputError
from explorer.trial import Configuration

#: Members of a pack unless the user says otherwise: above it a stacked step gains little.
DEFAULT_PACK_SIZE = 64
#: Packs wanted for each slot, so that no long one is left alone at the end ...
PACKS_PER_SLOT = 4
#: ... as long as they keep this many members on average, below which stacking loses its point.
MIN_MEMBERS = 8
#: Bytes that one step of a pack may hold for its batches, [K, B, values] in float32.
MAX_BATCH_BYTES = 512 * 2**20
#: Bounds on a pack's cost that are tried, in even shares of the work: 1 is a slot's whole share.
_SHARES = (0.5, 1, 2, 4, 8, 16, 32)

Shape = tuple[str, str, str, str, int, int, str, int, int, bool]


@dataclass(frozen=True, slots=True)
class PackLimits:
    """How many members packs may have for their memory.

    Attributes:
        batch_bytes: bytes that one step of a pack may hold.
        learnt: the most members of a shape, by its `shape_key`, where runs found it out.
    """

    batch_bytes: int = MAX_BATCH_BYTES
    learnt: Mapping[str, int] = field(default_factory=dict)

    def most_members(self, configuration: Configuration, workload: Workload) -> int:
        """Return how many trials of this shape a pack may have; at least 1."""
        c = configuration
        free = self.batch_bytes - shared_bytes(c.batch_size, workload)
        most = free // max(1, member_bytes(c.batch_size, workload))
        if self.learnt:
            most = min(most, self.learnt.get(shape_key(c), most))
        return max(1, most)


def shape_of(configuration: Configuration) -> Shape:
    """All that must be equal for trials to be trained as one stack of arrays.

    Learning rate, momentum, weight decay, seed, budget and final decay may differ inside a pack,
    and so may the number of steps.
    """
    c = configuration
    return (
        c.dataset,
        c.dataset_source,
        c.model,
        c.model_source,
        c.train_size,
        c.batch_size,
        c.sampling,
        c.evaluations,
        c.validation_size,
        c.clip_norm is None,
    )


def shape_key(configuration: Configuration) -> str:
    """Sixteen hexadecimal digits of the hash of `shape_of`, the same in every process."""
    text = "\0".join(map(repr, shape_of(configuration)))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Pack:
    """Trials that train together.

    Attributes:
        pack_id: sixteen hexadecimal digits of the hash of the members' ids, in order.
        configurations: the members, all of one shape, the longest first.
        cost: predicted seconds on one core.
    """

    pack_id: str
    configurations: tuple[Configuration, ...]
    cost: float


def make_packs(
    configurations: Iterable[Configuration],
    slots: int,
    pack_size: int | None = None,
    *,
    workloads: Workloads | None = None,
    costs: CostModel | None = None,
    limits: PackLimits | None = None,
) -> list[Pack]:
    """Divide trials into packs, the costliest first.

    Members of a pack have one shape and similar lengths. Several bounds on a pack's cost are
    tried, and the plan that the slots would finish first is taken: large packs share the cost
    of a stacked step, small ones leave no slot idle at the end. With enough trials there are at
    least `PACKS_PER_SLOT` packs for each slot. Whatever else is wanted, a pack has only as many
    members as `limits` allow, or one.

    Args:
        configurations: the trials; a repeated one is packed once.
        slots: packs that run at the same time.
        pack_size: the largest number of members; given, it also turns balancing off, so that
            every pack but the last of its shape has exactly that many, if memory allows.
        workloads: of each (data set, model); a generic one where it is missing.
        costs: the cost model.
        limits: memory; by default batches below `MAX_BATCH_BYTES`.

    Returns:
        The packs, costliest first; their members are the trials, each once.

    Raises:
        InputError: `pack_size` or `slots` is below 1.
    """
    costs = costs or CostModel()
    groups, members = _grouped(configurations, workloads or {}, costs, limits or PackLimits())
    return [
        pack_of(members[part.group][part.first : part.last], part.cost)
        for part in divide(groups, slots, pack_size, costs)
    ]


@dataclass(frozen=True, slots=True)
class Group:
    """Lengths and costs of the trials of one shape, the longest first.

    Attributes:
        steps: SGD steps of each trial, [n], falling.
        seconds: what each trial adds to its pack, [n].
        most: members that fit into memory together.
    """

    steps: Sequence[int]
    seconds: Sequence[float]
    most: int


@dataclass(frozen=True, slots=True)
class Part:
    """A pack before its members have names: trials first..last-1 of a group, and their cost."""

    group: int
    first: int
    last: int
    cost: float


def divide(
    groups: Sequence[Group], slots: int, pack_size: int | None, costs: CostModel
) -> list[Part]:
    """Divide groups into packs as `make_packs` says, the costliest first.

    Raises:
        InputError: `pack_size` or `slots` is below 1.
    """
    for name, value in (("pack_size", pack_size), ("slots", slots)):
        if value is not None and value < 1:
            raise InputError(f"{name} must be at least 1, not {value}.")
    count = sum(len(group.steps) for group in groups)
    if not count:
        return []
    if pack_size is not None:
        return _plan(groups, pack_size, math.inf, costs)
    total = sum(itertools.chain.from_iterable(group.seconds for group in groups))
    wanted = PACKS_PER_SLOT * slots if count >= PACKS_PER_SLOT * slots * MIN_MEMBERS else 1
    best, most_packs = (math.inf, list[Part]()), list[Part]()
    for share in (1 / slots, *_SHARES):
        plan = _plan(groups, DEFAULT_PACK_SIZE, total / (slots * share), costs)
        if len(plan) > len(most_packs):
            most_packs = plan
        badness = _badness([part.cost for part in plan], slots)
        if len(plan) >= wanted and badness < best[0]:
            best = badness, plan
    return best[1] or most_packs


def _badness(costs: Sequence[float], slots: int) -> float:
    """When the slots are done; where plans end together, the one with less work is better."""
    return makespan(costs, slots) + 0.02 * sum(costs) / slots


def makespan(costs: Iterable[float], slots: int) -> float:
    """Return when the last slot is done, packs being taken in order by whichever slot is free."""
    free = [0.0] * slots
    for cost in costs:
        heapq.heapreplace(free, free[0] + cost)
    return max(free)


def pack_of(configurations: Sequence[Configuration], cost: float = 0.0) -> Pack:
    """Return the pack of these members, which must have one shape."""
    ids = ",".join([configuration.trial_id for configuration in configurations])
    pack_id = hashlib.sha256(ids.encode()).hexdigest()[:16]
    return Pack(pack_id, tuple(configurations), cost)


def _grouped(
    configurations: Iterable[Configuration],
    workloads: Workloads,
    costs: CostModel,
    limits: PackLimits,
) -> tuple[list[Group], list[list[Configuration]]]:
    """Groups and their members, the longest first and otherwise in the order they came in."""
    members: dict[Shape, list[Configuration]] = {}
    most: dict[Shape, int] = {}
    seconds: dict[object, float] = {}  # by cell: its seeds cost the same
    by_cell: dict[object, list[Configuration]] = {}
    generic = Workload()
    for configuration in dict.fromkeys(configurations):
        cell = configuration.cell
        if cell not in by_cell:
            workload = workloads.get((configuration.dataset, configuration.model), generic)
            seconds[cell] = costs.trial_seconds(configuration, workload)
            shape = shape_of(configuration)
            by_cell[cell] = members.setdefault(shape, [])
            if shape not in most:
                most[shape] = limits.most_members(configuration, workload)
        by_cell[cell].append(configuration)
    for group in members.values():
        group.sort(key=lambda configuration: -configuration.cell.steps)
    groups = [
        Group(
            [configuration.cell.steps for configuration in group],
            [seconds[configuration.cell] for configuration in group],
            most[shape],
        )
        for shape, group in members.items()
    ]
    return groups, list(members.values())


def most_members(configuration: Configuration, workload: Workload) -> int:
    """Return how many trials of this shape a pack may have by default; at least 1."""
    return PackLimits().most_members(configuration, workload)


def _plan(groups: Sequence[Group], size: int, largest: float, costs: CostModel) -> list[Part]:
    """Packs of at most `size` members and about `largest` seconds, the costliest first."""
    parts = [
        Part(
            number,
            first,
            last,
            sum(group.seconds[first:last]) + costs.shared_seconds(group.steps[first]),
        )
        for number, group in enumerate(groups)
        for first, last in _cut(group, min(size, group.most), largest)
    ]
    return sorted(parts, key=lambda part: -part.cost)


def _cut(group: Group, size: int, largest: float) -> list[tuple[int, int]]:
    """Consecutive runs of about even cost, cut further where one has too many: first and end."""
    n = len(group.steps)
    if math.isinf(largest):
        return [(first, min(first + size, n)) for first in range(0, n, size)]
    total = sum(group.seconds)
    if not total:
        return _even_parts(0, n, size)
    runs = max(math.ceil(total / largest), math.ceil(n / size))
    seconds = np.asarray(group.seconds)
    before = np.cumsum(seconds)  # one after the other, as `sum` does
    before = np.concatenate([[0.0], before[:-1]])
    run = ((before + seconds / 2) / total * runs).astype(np.int64)
    bounds = [0, *(np.flatnonzero(np.diff(run)) + 1).tolist(), n]
    return [
        part
        for first, last in itertools.pairwise(bounds)
        for part in _even_parts(first, last, size)
    ]


def _even_parts(first: int, last: int, size: int) -> list[tuple[int, int]]:
    n = last - first
    parts = math.ceil(n / size)
    bounds = [first + round(i * n / parts) for i in range(parts + 1)]
    return list(itertools.pairwise(bounds))
