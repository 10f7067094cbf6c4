"""What a run is asked to use, checked before anything is started or written."""

from __future__ import annotations

import re

from explorer.errors import EnvironmentFailure, InputError

#: Devices that Ray can hand out: a core, or a GPU with a core, for each pack.
DEVICES = ("cpu", "cuda")


def check_device(device: str, address: str | None = None) -> None:
    """Refuse a device that no pack could be given.

    Args:
        device: `cpu`, or `cuda` for one GPU a pack.
        address: of a running cluster, whose GPUs only the cluster knows; None is this machine.

    Raises:
        InputError: another device, a numbered one included.
        EnvironmentFailure: `cuda` on a machine without a GPU.
    """
    if device not in DEVICES:
        why = "; each pack is given a GPU of its own" if device.startswith("cuda") else ""
        raise InputError(f"--device must be one of {', '.join(DEVICES)}, not {device!r}{why}.")
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
