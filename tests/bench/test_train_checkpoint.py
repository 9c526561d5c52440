"""Checkpoint files: atomic, verified, the newest two."""

import os

import pytest
import torch

from bench.train import checkpoint
from bench.train.checkpoint import Checkpoint


def make(step):
    mask = torch.zeros(2, dtype=torch.bool)
    tensors = {"weight": torch.full((3, 2), float(step)), "step": torch.tensor(step), "mask": mask}
    return Checkpoint(step, tensors, {"rows": [[step, "g/l1", 0.1]], "best": None})


def damage(path, position=-1):
    content = bytearray(path.read_bytes())
    content[position] ^= 1
    path.write_bytes(bytes(content))


def test_a_checkpoint_comes_back_as_it_was(tmp_path):
    checkpoint.save(tmp_path / "run", make(7))
    found = checkpoint.load(tmp_path / "run")
    assert found.step == 7
    assert found.state == make(7).state
    assert found.tensors.keys() == make(7).tensors.keys()
    for name, tensor in make(7).tensors.items():
        assert found.tensors[name].dtype == tensor.dtype
        assert torch.equal(found.tensors[name], tensor)


def test_nothing_there_is_no_checkpoint(tmp_path):
    assert checkpoint.load(tmp_path / "never") is None
    checkpoint.clear(tmp_path / "never")


def test_the_newest_two_are_kept_and_cleared_alone(tmp_path):
    (tmp_path / "weights.safetensors").write_bytes(b"result")
    for step in (9, 10, 11):
        checkpoint.save(tmp_path, make(step))
    (tmp_path / "checkpoint-000000012.safetensors.tmp").write_bytes(b"cut short")
    assert sorted(path.stem for path in tmp_path.glob("checkpoint-*.json")) == [
        "checkpoint-000000010",
        "checkpoint-000000011",
    ]
    checkpoint.clear(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["weights.safetensors"]


def truncate(path):
    os.truncate(path, path.stat().st_size // 2)


@pytest.mark.parametrize("suffix", ["safetensors", "json"])
@pytest.mark.parametrize("harm", [damage, truncate, lambda path: path.unlink()])
def test_a_damaged_newest_gives_way_to_the_one_before(tmp_path, suffix, harm, recwarn):
    for step in (3, 6):
        checkpoint.save(tmp_path, make(step))
    harm(tmp_path / f"checkpoint-000000006.{suffix}")
    found = checkpoint.load(tmp_path)
    assert found.step == 3
    missing_record = not (tmp_path / "checkpoint-000000006.json").exists()
    assert missing_record or "checkpoint-000000006.json: damaged" in str(recwarn.pop(RuntimeWarning).message)


def test_a_flipped_digit_in_the_record_is_noticed(tmp_path):
    checkpoint.save(tmp_path, make(3))
    record = tmp_path / "checkpoint-000000003.json"
    record.write_text(record.read_text().replace("0.1", "0.3"))
    with pytest.warns(RuntimeWarning, match="sha256"):
        assert checkpoint.load(tmp_path) is None


def test_what_lies_beyond_a_fallback_is_dropped(tmp_path):
    for step in (6, 9):
        checkpoint.save(tmp_path, make(step))
        damage(tmp_path / f"checkpoint-00000000{step}.safetensors")
    checkpoint.save(tmp_path, make(4))
    assert checkpoint.load(tmp_path).step == 4
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("survivor", [0, 1, 2, 3])
def test_a_crash_at_any_write_leaves_the_one_before(tmp_path, monkeypatch, survivor):
    checkpoint.save(tmp_path, make(3))
    calls = []

    def fsync(descriptor):
        calls.append(descriptor)
        if len(calls) > survivor:
            raise OSError("power cut")

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(OSError, match="power cut"):
        checkpoint.save(tmp_path, make(6))
    # Each file is synced, renamed, its folder synced: the new one is there once the record is renamed.
    assert checkpoint.load(tmp_path).step == (6 if survivor == 3 else 3)
