"""A cluster on paper: how many nodes, cores and GPUs, and how fast they are assumed to be."""

from __future__ import annotations

import difflib
import math
from dataclasses import dataclass, fields, replace

from explorer.cores import available_cores
from explorer.cost_model import CostModel
from explorer.errors import InputError
from explorer.request import pack_resources

#: Peak of a Tesla V100 in float32 (NVIDIA's data sheet), and the share of it that training of
#: convolutional networks reaches: both assumed, for no GPU was ever measured with this program.
ASSUMED_TFLOPS = 15.7
ASSUMED_EFFICIENCY = 0.3
#: Seconds that a GPU needs for a tensor operation with its backward pass, however small: three
#: kernels of some 10 us each. Assumed.
ASSUMED_GPU_OPERATION = 30e-6
#: Floating-point operations of a multiply-add: two forwards, four more backwards.
_FLOPS_FORWARD, _FLOPS_STEP = 2, 6


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """Equal nodes that share one store.

    Attributes:
        nodes: machines.
        cpus: cores of each.
        gpus: GPUs of each; 0 trains on cores.
        packs_per_gpu: packs that share a GPU; each takes a core, too.
        gpu_tflops: peak of a GPU in float32, 10^12 floating-point operations a second.
        gpu_efficiency: share of the peak that training reaches.
        network_ms: milliseconds of a request to the store.

    Raises:
        InputError: a value is outside its range, or no pack fits on a node.
    """

    nodes: int = 1
    cpus: int = 1
    gpus: int = 0
    packs_per_gpu: int = 1
    gpu_tflops: float = ASSUMED_TFLOPS
    gpu_efficiency: float = ASSUMED_EFFICIENCY
    network_ms: float = 0.0

    def __post_init__(self) -> None:
        for name, least in (("nodes", 1), ("cpus", 1), ("gpus", 0), ("packs_per_gpu", 1)):
            if not least <= (value := getattr(self, name)) <= 10**6:
                raise InputError(
                    f"--cluster: {name} must be between {least} and 1000000, not {value}."
                )
        for name, good in (
            ("gpu_tflops", 0 < self.gpu_tflops < math.inf),
            ("gpu_efficiency", 0 < self.gpu_efficiency <= 1),
            ("network_ms", 0 <= self.network_ms < math.inf),
        ):
            if not good:
                wanted = {"gpu_efficiency": "above 0 and at most 1", "network_ms": "at least 0"}
                raise InputError(
                    f"--cluster: {name} must be {wanted.get(name, 'above 0')}, "
                    f"not {getattr(self, name)!r}."
                )

    @property
    def slots(self) -> int:
        """Packs that train at the same time."""
        device = "cuda" if self.gpus else "cpu"
        share = 1 / self.packs_per_gpu if self.gpus else None
        return self.nodes * pack_resources(device, None, share).slots(self.cpus, self.gpus)

    def costs(self, on_cores: CostModel) -> CostModel:
        """Seconds on one slot: measured ones on cores, assumed ones on a share of a GPU."""
        waiting = 2 * self.network_ms / 1000  # a pack's two files
        if not self.gpus:
            return replace(on_cores, pack=on_cores.pack + waiting)
        flops = self.gpu_tflops * 1e12 * self.gpu_efficiency / self.packs_per_gpu
        return replace(
            on_cores,
            member_step=0.0,  # a stacked step costs its operations, however many its members
            step_multiply_add=_FLOPS_STEP / flops,
            evaluation_multiply_add=_FLOPS_FORWARD / flops,
            stacked_step=10 * ASSUMED_GPU_OPERATION,
            pack=on_cores.pack + waiting,
            operation=ASSUMED_GPU_OPERATION,
        )


def this_machine() -> Cluster:
    """The cores of this machine."""
    return Cluster(cpus=available_cores())


def parse_cluster(text: str) -> Cluster:
    """Read `nodes=8,cpus=16,gpus=4,...`; what is left out is as in `Cluster`.

    Without `cpus`, a node has as many cores as its GPUs have packs, or as this machine.

    Raises:
        InputError: an unknown name, one that is given twice, or an unfit value.
    """
    kinds = {field.name: field.type for field in fields(Cluster)}
    given: dict[str, float] = {}
    for part in text.split(","):
        name, equals, value = (piece.strip() for piece in part.partition("="))
        if name not in kinds:
            close = difflib.get_close_matches(name, kinds, n=1)
            hint = f"did you mean {close[0]}? It takes" if close else "it takes"
            raise InputError(f"--cluster has no {name!r}: {hint} {', '.join(kinds)}.")
        if name in given:
            raise InputError(f"--cluster gives {name} twice: {text!r}.")
        try:
            number = float(value)
            whole = kinds[name] == "int"
            given[name] = int(number) if whole else number
            if not equals or (whole and number != int(number)):
                raise ValueError
        except (ValueError, OverflowError):
            kind = "a whole number" if kinds[name] == "int" else "a number"
            raise InputError(f"--cluster: {name} must be {kind}, not {value!r}.") from None
    if "cpus" not in given:
        packs = int(given.get("gpus", 0) * given.get("packs_per_gpu", 1))
        given["cpus"] = packs if packs > 0 else available_cores()
    return Cluster(**given)  # type: ignore[arg-type]
