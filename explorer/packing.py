"""Packs: trials of one shape that train as one stacked computation, and what they cost."""

from __future__ import annotations

import hashlib
import heapq
import itertools
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from explorer.cores import available_cores as available_cores  # benchmarks import it from here
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

Shape = tuple[str, str, str, str, int, int, str, int, int, bool]


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


@dataclass(frozen=True, slots=True)
class Workload:
    """What the cost of a trial depends on beside its configuration.

    Attributes:
        multiply_adds: of one sample's forward pass.
        test_size: samples of the test set.
        sample_values: numbers that a step holds for each sample: its inputs and its layers'.
    """

    multiply_adds: int = 10_000
    test_size: int = 10_000
    sample_values: int = 1_000


def workload_of(
    model: str, multiply_adds: int, test_size: int, input_shape: Sequence[int] = ()
) -> Workload:
    """Return a model's workload; unknown (0) multiply-adds are taken to be the generic ones.

    A convolution's multiply-add takes some five times a matrix product's on a CPU, unfolding and
    memory traffic included.
    """
    adds = multiply_adds or Workload().multiply_adds
    convolution = model.startswith("cnn")
    return Workload(
        adds * 5 if convolution else adds, test_size, _sample_values(model, adds, input_shape)
    )


def _sample_values(model: str, multiply_adds: int, input_shape: Sequence[int]) -> int:
    """Numbers that a stacked step holds for each sample; rather too many than too few."""
    inputs = math.prod(input_shape)
    family, _, text = model.partition("-")
    if family == "cnn2d":  # members train one by one: only the gathered inputs are stacked
        return inputs
    sizes = [int(size) for size in text.split("-") if size.isdecimal()]
    if family == "mlp":
        return inputs + 2 * sum(sizes)  # values and their gradients
    if family == "cnn1d" and sizes:
        # An unfolded layer has `multiply_adds / channels` values, and it is kept for the gradient.
        return inputs + multiply_adds // min(sizes) + 2 * inputs * max(sizes)
    return 4 * inputs + Workload().sample_values  # a user's model, of which nothing is known


#: Workload of each (data set, model) of a sweep.
Workloads = Mapping[tuple[str, str], Workload]


@dataclass(frozen=True, slots=True)
class CostModel:
    """Seconds on one core, from measured constants; good to a factor of about two elsewhere.

    Attributes:
        member_step: s, one member's share of a stacked step, whatever the batch.
        step_multiply_add: s, a multiply-add of the forward pass with its backward pass.
        evaluation_multiply_add: s, a multiply-add of a forward pass over many samples.
        stacked_step: s, what one stacked step costs whatever the number of members.
        pack: s, starting a pack on a running worker, and publishing it.
    """

    member_step: float = 9e-6
    step_multiply_add: float = 9e-11
    evaluation_multiply_add: float = 6e-11
    stacked_step: float = 120e-6
    pack: float = 0.06

    def trial_seconds(self, configuration: Configuration, workload: Workload) -> float:
        """Return what one more member adds to its pack, in seconds."""
        c = configuration
        step = self.member_step + self.step_multiply_add * c.batch_size * workload.multiply_adds
        samples = c.train_size + c.validation_size + workload.test_size
        evaluation = samples * workload.multiply_adds * self.evaluation_multiply_add
        return c.steps * step + c.evaluations * evaluation

    def shared_seconds(self, longest_steps: int) -> float:
        """Return what a pack costs beside its members' shares, in seconds."""
        return self.pack + longest_steps * self.stacked_step


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
) -> list[Pack]:
    """Divide trials into packs, the costliest first.

    Members of a pack have one shape and similar lengths. Several bounds on a pack's cost are
    tried, and the plan that the slots would finish first is taken: large packs share the cost
    of a stacked step, small ones leave no slot idle at the end. With enough trials there are at
    least `PACKS_PER_SLOT` packs for each slot. Whatever else is wanted, a pack has only as many
    members as keep a step's batches below `MAX_BATCH_BYTES`, or one.

    Args:
        configurations: the trials; a repeated one is packed once.
        slots: packs that run at the same time.
        pack_size: the largest number of members; given, it also turns balancing off, so that
            every pack but the last of its shape has exactly that many, if memory allows.
        workloads: of each (data set, model); a generic one where it is missing.
        costs: the cost model.

    Returns:
        The packs, costliest first; their members are the trials, each once.

    Raises:
        InputError: `pack_size` or `slots` is below 1.
    """
    for name, value in (("pack_size", pack_size), ("slots", slots)):
        if value is not None and value < 1:
            raise InputError(f"{name} must be at least 1, not {value}.")
    costs = costs or CostModel()
    groups = _grouped(configurations, workloads or {}, costs)
    total = sum(member.cost for group in groups for member in group.members)
    count = sum(len(group.members) for group in groups)
    if not count:
        return []
    if pack_size is not None:
        return _packs(_plan(groups, pack_size, float("inf"), costs))
    wanted = PACKS_PER_SLOT * slots if count >= PACKS_PER_SLOT * slots * MIN_MEMBERS else 1
    plans = [
        _plan(groups, DEFAULT_PACK_SIZE, total / (slots * share), costs)
        for share in (1 / slots, 0.5, 1, 2, 4, 8, 16, 32)
    ]
    enough = [plan for plan in plans if len(plan) >= wanted] or [max(plans, key=len)]
    return _packs(min(enough, key=lambda plan: _badness([cost for cost, _ in plan], slots)))


def _badness(costs: Sequence[float], slots: int) -> float:
    """When the slots are done; where plans end together, the one with less work is better."""
    return makespan(costs, slots) + 0.02 * sum(costs) / slots


def makespan(costs: Sequence[float], slots: int) -> float:
    """Return when the last slot is done, packs being taken in order by whichever slot is free."""
    free = [0.0] * slots
    for cost in costs:
        heapq.heapreplace(free, free[0] + cost)
    return max(free)


def pack_of(configurations: Sequence[Configuration], cost: float = 0.0) -> Pack:
    """Return the pack of these members, which must have one shape."""
    ids = ",".join(configuration.trial_id for configuration in configurations)
    pack_id = hashlib.sha256(ids.encode()).hexdigest()[:16]
    return Pack(pack_id, tuple(configurations), cost)


@dataclass(frozen=True, slots=True)
class _Member:
    configuration: Configuration
    steps: int
    cost: float


@dataclass(frozen=True, slots=True)
class _Group:
    """Members of one shape, and how many of them fit into memory together."""

    members: list[_Member]
    most: int


def _grouped(
    configurations: Iterable[Configuration], workloads: Workloads, costs: CostModel
) -> list[_Group]:
    """Members by shape, the longest first and otherwise in the order they came in."""
    groups: dict[Shape, list[_Member]] = defaultdict(list)
    most: dict[Shape, int] = {}
    generic = Workload()
    for configuration in dict.fromkeys(configurations):
        workload = workloads.get((configuration.dataset, configuration.model), generic)
        cost = costs.trial_seconds(configuration, workload)
        member = _Member(configuration, configuration.steps, cost)
        shape = shape_of(configuration)
        groups[shape].append(member)
        most[shape] = most_members(configuration, workload)
    return [
        _Group(sorted(group, key=lambda member: -member.steps), most[shape])
        for shape, group in groups.items()
    ]


def most_members(configuration: Configuration, workload: Workload) -> int:
    """Return how many trials of this shape a pack may have for its memory; at least 1."""
    each = configuration.batch_size * workload.sample_values * 4
    return max(1, MAX_BATCH_BYTES // max(1, each))


_Plan = list[tuple[float, list[_Member]]]


def _plan(groups: list[_Group], size: int, largest: float, costs: CostModel) -> _Plan:
    """Costs and members of packs of at most `size` members and about `largest` seconds."""
    plan = [
        (
            sum(member.cost for member in members) + costs.shared_seconds(members[0].steps),
            members,
        )
        for group in groups
        for members in _cut(group.members, min(size, group.most), largest)
    ]
    return sorted(plan, key=lambda pack: -pack[0])


def _packs(plan: _Plan) -> list[Pack]:
    return [pack_of([member.configuration for member in members], cost) for cost, members in plan]


def _cut(group: list[_Member], size: int, largest: float) -> list[list[_Member]]:
    """Consecutive runs of members of about even cost, cut further where one has too many."""
    total = sum(member.cost for member in group)
    if math.isinf(largest):
        return [group[i : i + size] for i in range(0, len(group), size)]
    if not total:
        return _even_parts(group, size)
    runs = max(math.ceil(total / largest), math.ceil(len(group) / size))
    by_run: dict[int, list[_Member]] = defaultdict(list)
    before = 0.0
    for member in group:
        by_run[int((before + member.cost / 2) / total * runs)].append(member)
        before += member.cost
    return [part for run in by_run.values() for part in _even_parts(run, size)]


def _even_parts(run: list[_Member], size: int) -> list[list[_Member]]:
    parts = math.ceil(len(run) / size)
    bounds = [round(i * len(run) / parts) for i in range(parts + 1)]
    return [run[low:high] for low, high in itertools.pairwise(bounds)]
