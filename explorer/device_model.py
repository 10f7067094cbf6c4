"""What packs cost on a run's devices, and how large they may be: measured once and kept."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from explorer.device_costs import (
    costs_note,
    costs_of_note,
    device_memory,
    device_name,
    measure_costs,
)
from explorer.errors import EnvironmentFailure
from explorer.packing import MAX_BATCH_BYTES, CostModel, PackLimits, shape_key
from explorer.request import PackResources
from explorer.store import Store
from explorer.trial import Configuration

logger = logging.getLogger(__name__)

#: Predicted seconds of a run below which its devices are not measured: it would not pay.
WORTH_MEASURING = 60.0
#: Share of a pack's part of a device's memory that its batches may take.
BATCH_SHARE = 0.25
_COSTS, _SIZES = "device", "pack_sizes"


@dataclass(frozen=True)
class Device:
    """One kind of device that a run uses.

    Attributes:
        key: its name, safe for a file.
        memory: bytes that training may use on it.
        costs: measured; None where it was not.
        slots: packs that run on all devices of this kind at the same time.
        slots_each: packs that share one.
    """

    key: str
    memory: int
    costs: CostModel | None
    slots: int = 1
    slots_each: int = 1


def look_at_device(device: str, known: Mapping[str, Mapping[str, Any]], measure: bool) -> Device:
    """Look at this process's device.

    Args:
        device: `cpu` or `cuda`.
        known: earlier measurements by the devices' keys, as `Store.read_notes` gives them.
        measure: measure what is not known.
    """
    key = device_name(device)
    costs = costs_of_note(known[key]) if key in known else None
    if costs is None and measure:
        costs = measure_costs(device)
    return Device(key, device_memory(device), costs)


class DeviceModel:
    """Costs and sizes of packs for one run.

    Args:
        store: where measurements and learnt sizes are kept.
        devices: the kinds of devices of the run; none where nothing is known of them.
        resources: of a pack.
    """

    def __init__(self, store: Store, devices: Sequence[Device], resources: PackResources) -> None:
        self._store = store
        self._devices = list(devices)
        self._learnt: dict[str, int] = {}
        for device in self._devices:
            for shape, most in _notes(store, _SIZES).get(device.key, {}).items():
                if type(most) is int and most >= 1:
                    self._learnt[shape] = min(most, self._learnt.get(shape, most))
        self.costs = _mean_costs(self._devices)
        self.limits = PackLimits(
            batch_bytes=_batch_bytes(self._devices, resources), learnt=self._learnt
        )

    def learn(self, member: Configuration, most: int) -> None:
        """Keep, in the store too, how many members packs of this trial's shape may have."""
        key = shape_key(member)
        most = min(most, self._learnt.get(key, most))
        self._learnt[key] = most
        for device in self._devices:
            known = {**_notes(self._store, _SIZES).get(device.key, {}), key: most}
            try:
                self._store.write_note(_SIZES, device.key, known)
            except EnvironmentFailure as error:  # the run goes on with what it learnt
                logger.info("A learnt size is not kept: %s", error)


def known_costs(store: Store) -> dict[str, dict[str, Any]]:
    """Earlier measurements, by the devices' keys."""
    return _notes(store, _COSTS)


def keep_costs(store: Store, devices: Sequence[Device]) -> None:
    """Keep what was measured for the next run."""
    known = known_costs(store)
    for device in devices:
        if device.costs is not None and device.key not in known:
            try:
                store.write_note(_COSTS, device.key, costs_note(device.costs))
            except EnvironmentFailure as error:
                logger.info("A measurement is not kept: %s", error)


def _notes(store: Store, kind: str) -> dict[str, dict[str, Any]]:
    try:
        return store.read_notes(kind)
    except EnvironmentFailure as error:
        logger.info("Earlier measurements cannot be read: %s", error)
        return {}


def _mean_costs(devices: Sequence[Device]) -> CostModel:
    """The devices' mean costs, each weighing as many packs as it runs."""
    measured = [device for device in devices if device.costs is not None]
    if not measured:
        return CostModel()
    slots = sum(device.slots for device in measured)

    def mean(name: str) -> float:
        return float(sum(getattr(d.costs, name) * d.slots for d in measured) / slots)

    return CostModel(**{field.name: mean(field.name) for field in fields(CostModel)})


def _batch_bytes(devices: Sequence[Device], resources: PackResources) -> int:
    """Bytes that a pack's batches may take on the smallest of the devices."""
    if not devices:
        return MAX_BATCH_BYTES
    smallest = min(device.memory / device.slots_each for device in devices)
    share = int(smallest * BATCH_SHARE)
    # Beyond the default a stack gains nothing on cores, which have no memory to fill.
    return share if resources.gpus else min(MAX_BATCH_BYTES, share)
