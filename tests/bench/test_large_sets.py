"""Trainings on shards and databases: the weights of a folder's, stopped or not, wherever they lie."""

import shutil
import tarfile

import lmdb
import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from bench.data.config import FolderData, LmdbData, WebdatasetData
from bench.data.pairs import Pairs, TrainingBatches
from bench.data.sources import open_source
from bench.degradations import GaussianNoise
from bench.plan import make_plan
from bench.suite import load_suite
from bench.train.execution import Execution
from bench.train.loop import fit
from ugpnet.recipe import Budget, Optim, Player, Recipe, Term

STEPS = 6
SOURCES = {
    "folder": FolderData(path="folder"),
    "webdataset": WebdatasetData(path="shards/faces-{0..1}.tar"),
    "lmdb": LmdbData(path="faces.lmdb"),
}


@pytest.fixture
def data(tmp_path):
    """Ten images in a folder, in shards and in a database, under the same names."""
    (tmp_path / "data" / "shards").mkdir(parents=True)
    (tmp_path / "data" / "faces.lmdb").mkdir()
    names = [f"faces-{index // 5}/{index}" for index in range(10)]
    for seed, name in enumerate(names):
        path = tmp_path / "data" / "folder" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.random.default_rng(seed).integers(0, 256, (32, 32, 3), dtype=np.uint8)).save(path)
    folder = tmp_path / "data" / "folder"
    for index in range(2):
        with tarfile.open(tmp_path / f"data/shards/faces-{index}.tar", "w") as tar:
            for path in sorted((folder / f"faces-{index}").iterdir()):
                tar.add(path, path.name)
    with lmdb.open(str(tmp_path / "data/faces.lmdb")) as database, database.begin(write=True) as transaction:
        for name in names:
            transaction.put(name.encode(), (folder / f"{name}.png").read_bytes())
    lines = "".join(f"{name}.png (32,32,3) 1\n" for name in names)
    (tmp_path / "data/faces.lmdb/meta_info.txt").write_text(lines)
    return tmp_path / "data"


class Denoising(Recipe):
    """One convolution and L1."""

    def __init__(self):
        torch.manual_seed(0)
        super().__init__({"g": nn.Conv2d(3, 3, 3, padding=1)}, (Player("g", ("g",), Optim(lr=1e-2)),))

    def forward(self, batch, step):
        return {"restored": self.networks["g"](batch.lq)}

    def losses(self, player, batch, shared, step):
        return {"l1": Term(1.0, (shared["restored"] - batch.gt).abs().mean())}

    def restore(self, lq):
        return self.networks["g"](lq)


def train(data, source, run_dir, on_step=None, loaders=0):
    pairs = Pairs(open_source(SOURCES[source], data, data.parent / "cache"), (GaussianNoise(sigma=0.1),), 0)
    batches = TrainingBatches(pairs, 5, 3, patch=16, flips=True)
    execution = Execution(device="cpu", checkpoint_every=2, loaders=loaders)
    budget = Budget(iterations=STEPS, batch_size=3)
    return fit(Denoising(), batches, budget, run_dir, seed=1, execution=execution, on_step=on_step).weights["g"]


class Stop(Exception):
    pass


def stop(now):
    if now.step == 3:
        raise Stop


@pytest.mark.parametrize("source", ["webdataset", "lmdb"])
def test_a_training_stopped_and_resumed_has_the_weights_of_a_folder_s(data, tmp_path, source):
    wanted = train(data, "folder", tmp_path / "a")
    with pytest.raises(Stop):
        train(data, source, tmp_path / "b", on_step=stop)
    resumed = train(data, source, tmp_path / "b", loaders=2)
    assert all(torch.equal(tensor, resumed[key]) for key, tensor in wanted.items())


@pytest.mark.parametrize("source", ["webdataset", "lmdb"])
def test_jobs_have_the_same_keys_below_another_root(data, tmp_path, write_suite, tiny_document, source):
    shutil.copytree(data, tmp_path / "elsewhere")
    config = SOURCES[source].model_dump()
    methods = {name: tiny_document["methods"][name] for name in ("input", "nafnet")}

    def keys(root):
        images = {"root": root, "train": {**config, "start": 2}, "test": {**config, "count": 2}}
        plan = make_plan(load_suite(write_suite({**tiny_document, "data": images, "methods": methods})))
        return [job.key for job in plan.jobs]

    assert keys("data") == keys(str(tmp_path / "elsewhere"))
