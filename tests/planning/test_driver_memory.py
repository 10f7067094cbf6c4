"""The driver's memory: what the benchmark says of samples, and a real run of few packs."""

import pytest

from benchmarks.driver_memory import Sample, figures, measure, resident, slope


def test_figures_of_samples_by_hand():
    samples = [Sample(t, 10 * t, 1_000 + 100 * min(t, 20)) for t in range(1, 41)]
    found = figures([Sample(0, 0, 900), *samples], packs=400, packs_per_fit=100, seconds=45.0)
    assert found.packs_per_second == pytest.approx(10)
    assert found.resident_before == 900
    assert found.resident_after_fits == (2_000, 3_000, 3_000, 3_000)
    assert found.resident_peak == 3_000


def test_a_slope_against_the_hand():
    assert slope([0, 1, 2, 3], [5, 7, 9, 11]) == pytest.approx(2)
    assert slope([0, 1, 2], [3, 0, 3]) == pytest.approx(0)
    assert slope([4, 4], [1, 9]) == 0


def test_resident_memory_is_seen_to_grow():
    before = resident()
    held = bytearray(64 * 2**20)
    held[::4096] = b"x" * len(held[::4096])
    assert resident() - before > 48 * 2**20
    assert held


@pytest.mark.slow
def test_a_drivers_memory_stays_below_a_gigabyte(tmp_path):
    found, samples = measure(600, tmp_path / "store")
    assert found.packs == 600
    assert samples[-1].packs > 0
    assert found.bytes_a_pack < 150_000
