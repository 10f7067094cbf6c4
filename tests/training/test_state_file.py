"""State files: what is written is read, and whatever else is read does no harm."""

import io
import os
import pickle
import shutil
import subprocess
import sys
import zipfile
from collections import OrderedDict

import pytest
import torch

from explorer.training.state_file import StateError, read_state, state_bytes

STATE = {
    "floats": [0.1, -0.0, 1e-320, float("inf")],
    "whole": 2**130,
    "texts": {"a": "ä", 3: None},
    "pair": (True, "x"),
    "tensors": [torch.arange(300.0), torch.zeros(0, 4, dtype=torch.float64)],
    "bytes": torch.arange(256, dtype=torch.uint8),
    "half": torch.tensor([1.5, -2.0], dtype=torch.bfloat16),
    "scalar": torch.tensor(7),
}


def same(a, b):
    if isinstance(a, torch.Tensor):
        return a.dtype == b.dtype and a.shape == b.shape and torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return type(a) is type(b) and len(a) == len(b) and all(map(same, a, b))
    return type(a) is type(b) and repr(a) == repr(b)


def test_what_is_written_is_read(tmp_path):
    path = tmp_path / "state.pt"
    path.write_bytes(state_bytes(STATE))
    assert same(read_state(path), STATE)
    assert same(read_state(str(path)), STATE)
    assert same(read_state(path.read_bytes()), STATE)


@pytest.mark.parametrize(
    "foreign",
    [
        {"x": {1, 2}},
        {"x": torch.nn.ReLU()},
        {"x": object()},
        {(1, 2): 3},
        {"x": OrderedDict()},
        {"x": torch.eye(3).to_sparse()},
        {"x": torch.empty(3, device="meta")},
    ],
    ids=["set", "module", "object", "key", "ordered", "sparse", "meta"],
)
def test_what_could_not_be_read_back_is_not_written(foreign):
    with pytest.raises(TypeError, match="a state"):
        state_bytes(foreign)


def test_a_missing_file_is_an_os_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_state(tmp_path / "nothing.pt")


def refused(content: bytes) -> str:
    with pytest.raises(StateError) as caught:
        read_state(content)
    message = str(caught.value)
    assert message.endswith(".")
    assert "\n" not in message
    return message


def test_torn_files_are_refused():
    whole = state_bytes(STATE)
    for length in [*range(0, len(whole), 97), len(whole) - 1]:
        refused(whole[:length])
    refused(whole[: len(whole) // 2] + whole[len(whole) // 2 + 1 :])
    refused(b"\0" * len(whole))
    refused(b"not a zip at all")


def test_a_flipped_bit_is_noticed_or_does_no_harm():
    """Every byte of the file once; padding between the parts is the only one without meaning."""
    whole, harmless = state_bytes({"weights": torch.arange(20.0), "step": 3}), 0
    expected = read_state(whole)
    for at in range(len(whole)):
        changed = bytearray(whole)
        changed[at] ^= 1 << (at % 8)
        try:
            found = read_state(bytes(changed))
        except StateError:
            continue
        assert same(found, expected)
        harmless += 1
    assert harmless < 0.9 * len(whole)


def saved(value, **options) -> bytes:
    file = io.BytesIO()
    torch.save(value, file, **options)
    return file.getvalue()


def test_other_contents_are_refused():
    assert "holds something else" in refused(saved([1, 2, 3]))
    assert "holds something else" in refused(saved({"kind": "model"}))
    later = {"kind": "training state", "version": 2, "state": STATE}
    assert "format version 2; this program reads 1" in refused(saved(later))
    refused(saved({"kind": "training state", "version": 1}))
    refused(saved({"kind": "training state", "version": 1, "state": torch.Size([1])}))
    refused(
        saved({"kind": "training state", "version": 1, "state": {"x": torch.eye(2).to_sparse()}})
    )
    refused(saved(STATE, _use_new_zipfile_serialization=False))
    refused(pickle.dumps(STATE))
    refused(saved({"x": torch.nn.ReLU()}))


def test_a_zip_that_would_grow_is_refused():
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as parts:
        parts.writestr("archive/data.pkl", b"0" * 10_000_000)
    assert "compressed" in refused(packed.getvalue())


class Payload:
    """Runs a command when it is unpickled."""

    def __init__(self, command):
        self.command = command

    def __reduce__(self):
        return os.system, (self.command,)


def test_a_malicious_file_does_not_run(tmp_path):
    """The same pickle, in every place that torch would find it, and once read for comparison."""
    touched = tmp_path / "touched"
    payload = Payload(f"touch {touched}")
    inside = {"kind": "training state", "version": 1, "state": {"x": payload}}
    wholes = [
        saved(payload),
        saved(inside),
        saved(inside, _use_new_zipfile_serialization=False),
        pickle.dumps(payload),
    ]
    # The pickle of a good file exchanged for the malicious one, checksums made right.
    good, forged = io.BytesIO(state_bytes(STATE)), io.BytesIO()
    with zipfile.ZipFile(good) as old, zipfile.ZipFile(forged, "w") as new:
        for part in old.namelist():
            bad = part.endswith("data.pkl")
            new.writestr(part, pickle.dumps(payload, protocol=2) if bad else old.read(part))
    wholes.append(forged.getvalue())
    for whole in wholes:
        refused(whole)
    assert not touched.exists()
    pickle.loads(wholes[3])
    assert touched.exists(), "the payload is harmless, and so is this test"


def test_the_environment_does_not_talk_torch_into_trust(tmp_path):
    """TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD is for callers who do not say what they want."""
    touched, file = tmp_path / "touched", tmp_path / "bad.pt"
    file.write_bytes(saved({"x": Payload(f"touch {touched}")}))
    code = (
        "from explorer.training.state_file import *\n"
        f"try: read_state({str(file)!r})\n"
        "except StateError: print('refused')\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        env={**os.environ, "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "refused"
    assert not touched.exists()
    assert shutil.which("touch")
