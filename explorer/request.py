"""What a run is asked to use, checked before anything is started or written."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from explorer.errors import EnvironmentFailure, InputError

#: Devices that Ray can hand out: a core, or a GPU or a part of one, for each pack.
DEVICES = ("cpu", "cuda")

#: Of a core or a GPU, for one pack.
_LEAST = 0.01


@dataclass(frozen=True, slots=True)
class PackResources:
    """What Ray sets aside for each pack while it trains.

    Attributes:
        device: `cpu` or `cuda`.
        cpus: cores. A pack computes in one thread; more keep memory or cores free beside it.
        gpus: GPUs: 0 on `cpu`; 0.25 lets four packs share one.
    """

    device: str = "cpu"
    cpus: float = 1.0
    gpus: float = 0.0

    def slots(self, cpus: float, gpus: float) -> int:
        """Packs that run at the same time on a node with so many cores and GPUs."""
        fitting = []
        if self.cpus:
            fitting.append(math.floor(cpus / self.cpus + 1e-9))
        if self.gpus:
            # A fraction is taken of one GPU, never of two.
            fitting.append(math.floor(gpus + 1e-9) * math.floor(1 / self.gpus + 1e-9))
        return min(fitting, default=0)

    def nothing_free(self) -> str:
        """One sentence for a machine or cluster on which no pack fits."""
        wanted = f"{self.cpus:g} CPU" + ("s" if self.cpus > 1 else "")
        if self.gpus:
            wanted += f" and {self.gpus:g} GPU"
        return f"Ray has no node with {wanted} free for a pack on the device {self.device!r}."


def pack_resources(
    device: str = "cpu", cpus: float | None = None, gpus: float | None = None
) -> PackResources:
    """Return the resources of a pack; by default a core, and on `cuda` a GPU.

    Args:
        device: `cpu` or `cuda`.
        cpus: cores for a pack, at least 0.01; fractions let more packs run than there are cores.
        gpus: GPUs for a pack, 0.01 to 1: a pack trains on one GPU.

    Raises:
        InputError: a device or a number that no pack could be given.
    """
    if device not in DEVICES:
        why = ": packs are given GPUs by Ray, not by number" if device.startswith("cuda") else ""
        raise InputError(f"--device must be one of {', '.join(DEVICES)}, not {device!r}{why}.")
    if cpus is not None and not _LEAST <= cpus < math.inf:
        raise InputError(f"--cpus-per-pack must be at least {_LEAST:g}, not {cpus!r}.")
    if gpus is not None and device == "cpu":
        raise InputError(f"--gpus-per-pack {gpus:g} needs --device cuda.")
    if gpus is not None and not _LEAST <= gpus <= 1:
        raise InputError(f"--gpus-per-pack must be between {_LEAST:g} and 1, not {gpus!r}.")
    if cpus is not None and cpus > 1 and cpus != int(cpus):
        raise InputError(f"--cpus-per-pack above 1 must be a whole number, not {cpus!r}.")
    default_gpus = 1.0 if device == "cuda" else 0.0
    return PackResources(
        device, 1.0 if cpus is None else float(cpus), default_gpus if gpus is None else float(gpus)
    )


def check_device(device: str, address: str | None = None) -> None:
    """Refuse a device that this machine does not have.

    Args:
        device: `cpu`, or `cuda`.
        address: of a running cluster, whose GPUs only the cluster knows; None is this machine.

    Raises:
        InputError: another device, a numbered one included.
        EnvironmentFailure: `cuda` on a machine without a GPU.
    """
    pack_resources(device)
    if device == "cuda" and address is None:
        import torch  # late: a run on cores needs no torch in this process

        if not torch.cuda.is_available():
            raise EnvironmentFailure("--device cuda: torch finds no GPU on this machine.")


def check_address(address: str | None) -> None:
    """Refuse what cannot be a cluster's address, whether or not one answers there.

    Args:
        address: None, `auto` or HOST:PORT.

    Raises:
        InputError: any other address.
    """
    if address is None or address == "auto":
        return
    if address.startswith("ray://"):
        raise InputError(
            f"The address {address!r} is a Ray Client's, through which a run cannot be "
            "interrupted or watched: use the cluster's own address (host:6379), or "
            "`ray job submit` to run explorer on the cluster."
        )
    found = re.fullmatch(r"(\[[0-9A-Fa-f:.%]+\]|[^\s:/\[\]]+):(\d{1,5})", address)
    if not found or not 0 < int(found[2]) < 2**16:
        raise InputError(f"The address {address!r} must be `auto` or HOST:PORT.")
