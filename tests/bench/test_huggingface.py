"""Data sets of the library `datasets`: saved, as parquet, as a folder of images; no network."""

import io
import pickle
import shutil
import sys

import datasets
import huggingface_hub
import numpy as np
import pytest
from datasets import Dataset, DatasetDict, Features, Value
from numpy.testing import assert_array_equal
from PIL import Image
from pydantic import ValidationError

from bench.data.config import FolderData, HuggingFaceData
from bench.data.pairs import Pairs, TrainingBatches
from bench.data.sources import open_source
from bench.errors import DataError


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "hf")


def pixels(height=12, width=16, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def encoded(image, suffix="PNG", **options):
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, suffix, **options)
    return buffer.getvalue()


def rows(count=5, **sides):
    return [encoded(pixels(seed=seed, **sides)) for seed in range(count)]


def dataset(images, column="image", **others):
    """A data set of image files, given as bytes."""
    table = {column: [{"bytes": image, "path": None} for image in images], **others}
    kinds = {name: Value("int64" if isinstance(values[0], int) else "string") for name, values in others.items()}
    return Dataset.from_dict(table, features=Features({column: datasets.Image(), **kinds}))


def opened(tmp_path, **fields):
    return open_source(HuggingFaceData(**{"path": "faces", **fields}), tmp_path, tmp_path / "cache")


@pytest.fixture
def faces(tmp_path):
    """Two splits, as `save_to_disk` leaves them."""
    names = [f"face {letter}" for letter in "abcde"]
    whole = DatasetDict(train=dataset(rows(), name=names), test=dataset(rows(3, height=20, width=20), name=names[:3]))
    whole.save_to_disk(tmp_path / "faces")
    return tmp_path


def test_images_are_those_of_the_rows(faces):
    source = opened(faces)
    assert list(source.ids) == [f"train-{row:06d}" for row in range(5)]
    assert list(source.skipped) == []
    for seed in range(5):
        assert_array_equal(source.image(seed), pixels(seed=seed))
        assert source.degraded(seed) is None


def test_splits_slices_and_counts(faces):
    assert list(opened(faces, split="test").ids) == [f"test-{row:06d}" for row in range(3)]
    sliced = opened(faces, split="train[1:4]", start=1)
    assert list(sliced.ids) == ["train-000002", "train-000003"]
    assert_array_equal(sliced.image(0), pixels(seed=2))
    both = opened(faces, split="train[4:]+test[:1]")
    assert list(both.ids) == ["train-000004", "test-000000"]
    assert both.image(1).shape == (20, 20, 3)
    with pytest.raises(DataError, match=r"faces\[train\[:2\]\]: holds 2 images, too few for start 0, count 3"):
        opened(faces, split="train[:2]", count=3)


def test_a_data_set_saved_alone_is_a_train_split(tmp_path):
    dataset(rows(2)).save_to_disk(tmp_path / "faces")
    assert len(opened(tmp_path).ids) == 2
    with pytest.raises(DataError, match="huggingface faces: no split 'test'; known: train"):
        opened(tmp_path, split="test")


@pytest.mark.parametrize("fit", ["resize", "center_crop"])
def test_fit_is_that_of_a_folder(tmp_path, fit):
    dataset(rows(2)).save_to_disk(tmp_path / "faces")
    for seed, content in enumerate(rows(2)):
        (tmp_path / "images").mkdir(exist_ok=True)
        (tmp_path / "images" / f"{seed}.png").write_bytes(content)
    folder = open_source(FolderData(path="images", size=8, fit=fit), tmp_path)
    source = opened(tmp_path, size=8, fit=fit)
    for index in range(2):
        assert_array_equal(source.image(index), folder.image(index))


def test_random_crops_move_with_the_visit(tmp_path):
    dataset(rows(1, height=60, width=60)).save_to_disk(tmp_path / "faces")
    source = opened(tmp_path, size=16, fit="random_crop")
    crops = [source.image(0, visit) for visit in range(3)]
    assert crops[0].shape == (16, 16, 3)
    assert not np.array_equal(crops[1], crops[2])
    assert_array_equal(crops[0], opened(tmp_path, size=16, fit="random_crop").image(0))


def test_every_kind_of_image_is_read_as_from_a_file(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    deep = np.arange(12, dtype=np.uint16).reshape(3, 4) * 5000
    alpha = np.concatenate([pixels(), np.zeros((12, 16, 1), np.uint8)], axis=2)
    images = [encoded(pixels(), exif=exif), encoded(pixels()[..., 0]), encoded(alpha), encoded(deep)]
    dataset(images).save_to_disk(tmp_path / "faces")
    source = opened(tmp_path)
    assert_array_equal(source.image(0), np.rot90(pixels(), -1))
    assert_array_equal(source.image(1), np.repeat(pixels()[..., :1], 3, axis=2))
    assert_array_equal(source.image(2), pixels())
    assert_array_equal(source.image(3)[..., 0], np.floor(deep / 257 + 0.5))


def test_a_folder_of_parquet_files(tmp_path):
    (tmp_path / "faces").mkdir()
    dataset(rows(3)).to_parquet(tmp_path / "faces" / "train.parquet")
    dataset(rows(2)).to_parquet(tmp_path / "faces" / "test.parquet")
    source = opened(tmp_path, split="test")
    assert list(source.ids) == ["test-000000", "test-000001"]
    assert_array_equal(source.image(1), pixels(seed=1))


def test_columns_without_the_type_image(tmp_path):
    Dataset.from_dict({"png": rows(2)}).save_to_disk(tmp_path / "faces")
    assert_array_equal(opened(tmp_path, column="png").image(1), pixels(seed=1))
    files = [{"bytes": content, "path": None} for content in rows(2)]
    Dataset.from_dict({"file": files}).save_to_disk(tmp_path / "more")
    assert_array_equal(opened(tmp_path, path="more", column="file").image(1), pixels(seed=1))


def test_a_folder_of_images(tmp_path):
    for label in ("happy", "sad"):
        (tmp_path / "faces" / label).mkdir(parents=True)
        (tmp_path / "faces" / label / "a.png").write_bytes(encoded(pixels(seed=len(label))))
    source = opened(tmp_path)
    assert_array_equal(source.image(0), pixels(seed=5))
    before = source.fingerprint()
    (tmp_path / "faces" / "happy" / "a.png").write_bytes(encoded(pixels(seed=9)))
    assert opened(tmp_path).fingerprint() != before


def test_names_from_a_column(faces):
    assert list(opened(faces, id_column="name", split="test").ids) == ["face a", "face b", "face c"]
    with pytest.raises(DataError, match=r"faces\[train\+test\]: names occur more than once: face a, face b, face c"):
        opened(faces, id_column="name", split="train+test")


def pairs(tmp_path, lq=None, **fields):
    gt = dataset(rows(3, height=16, width=24))
    small = lq or rows(3, height=8, width=12)
    images = [{"bytes": content, "path": None} for content in small]
    gt.add_column("blurred", images).save_to_disk(tmp_path / "faces")
    return opened(tmp_path, lq_column="blurred", **fields)


def test_pairs(tmp_path):
    source = pairs(tmp_path)
    assert_array_equal(source.image(2), pixels(16, 24, 2))
    assert_array_equal(source.degraded(2), pixels(8, 12, 2))
    assert Pairs(source, (), 0).scale == 2


def test_pairs_are_cropped_at_the_same_place(tmp_path):
    source = pairs(tmp_path, size=8, fit="center_crop")
    assert_array_equal(source.image(1), pixels(16, 24, 1)[4:12, 8:16])
    assert_array_equal(source.degraded(1), pixels(8, 12, 1)[2:6, 4:8])
    with pytest.raises(ValidationError, match="write `fit: center_crop`"):
        HuggingFaceData(path="faces", lq_column="blurred", size=8)


def test_a_pair_at_another_scale_is_named(tmp_path):
    lq = [*rows(2, height=8, width=12), encoded(pixels(16, 24))]
    with pytest.raises(DataError, match=r"faces\[train\] row 2: its sides \(16, 24\) are not 2 times lq's \(16, 24\)"):
        pairs(tmp_path, lq)
    assert list(opened(tmp_path, lq_column="blurred", on_error="skip").skipped) == ["train-000002"]
    with pytest.raises(DataError, match=r"size 7 is no multiple of 2, the scale of huggingface faces\[train\] row 0"):
        opened(tmp_path, lq_column="blurred", size=7, fit="center_crop", split="train[:2]")


def test_what_cannot_be_used_is_named_or_left_out(tmp_path):
    whole = encoded(pixels(64, 64))
    images = [whole, whole[:600], b"no image", b"", encoded(pixels(7, 64))]
    dataset(images).save_to_disk(tmp_path / "faces")
    with pytest.raises(DataError) as caught:
        opened(tmp_path, size=8)
    message = str(caught.value)
    assert message.startswith("4 image(s) cannot be used (`on_error: skip` leaves them out)")
    assert "huggingface faces[train] row 1: cannot be read as an image" in message
    assert "row 2: cannot be read as an image (it is of no known type)" in message
    assert "row 3: cannot be read as an image (it is empty)" in message
    assert "row 4: its shorter side, 7 pixels, is below size 8" in message
    source = opened(tmp_path, size=8, on_error="skip")
    assert (list(source.ids), len(source.skipped)) == (["train-000000"], 4)


def test_an_empty_place_is_named(tmp_path):
    features = Features({"image": datasets.Image()})
    table = {"image": [{"bytes": encoded(pixels()), "path": None}, None]}
    Dataset.from_dict(table, features=features).save_to_disk(tmp_path / "faces")
    with pytest.raises(DataError, match=r"faces\[train\] row 1: there is nothing in column 'image'"):
        opened(tmp_path)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"column": "imge"}, r"huggingface faces\[train\]: no column 'imge'; did you mean 'image'\?"),
        ({"lq_column": "lq"}, r"huggingface faces\[train\]: no column 'lq'; known: image, name"),
        ({"id_column": "nam"}, r"huggingface faces\[train\]: no column 'nam'; did you mean 'name'\?"),
        ({"column": "name"}, r"huggingface faces\[train\]: column 'name' holds Value\(.*string.*, no images"),
        ({"split": "tets"}, r"huggingface faces: no split 'tets'; did you mean 'test'\?"),
        ({"split": "test[:2"}, r"huggingface faces: split 'test\[:2': "),
        ({"path": "./gone"}, r"huggingface \./gone: no such folder \(.*gone\), and no id on the hub"),
        ({"path": "a/b/c"}, r"huggingface a/b/c: no such folder \(.*a/b/c\), and no id on the hub"),
    ],
)
def test_a_mistake_is_named(faces, fields, message):
    with pytest.raises(DataError, match=message):
        opened(faces, **fields)


def test_an_unknown_configuration_is_named(tmp_path):
    (tmp_path / "faces").mkdir()
    dataset(rows(1)).to_parquet(tmp_path / "faces" / "train.parquet")
    with pytest.raises(DataError, match=r"huggingface faces: .*'small'.*\['default'\]"):
        opened(tmp_path, config="small")


def test_a_folder_without_data_is_named(tmp_path):
    (tmp_path / "faces").mkdir()
    with pytest.raises(DataError, match="huggingface faces: "):
        opened(tmp_path)


def test_without_a_network_the_remedy_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    with pytest.raises(
        DataError, match=r"huggingface some/faces: cannot be fetched from the hub .*or give `path` a folder"
    ):
        opened(tmp_path, path="some/faces")


def test_an_id_on_the_hub_is_left_to_the_library(tmp_path, monkeypatch):
    asked = []

    def load(*arguments, **options):
        asked.append((*arguments, options))
        return DatasetDict(test=dataset(rows(2)))

    monkeypatch.setattr(datasets, "load_dataset", load)
    assert len(opened(tmp_path, path="some/faces", config="small", split="test", revision="v1").ids) == 2
    assert asked == [("some/faces", "small", {"revision": "v1"})]


def test_what_is_neither_a_folder_nor_on_the_hub_is_named(tmp_path, monkeypatch):
    def load(*_, **__):
        raise datasets.exceptions.DatasetNotFoundError("Dataset 'some/faces' doesn't exist on the Hub")

    monkeypatch.setattr(datasets, "load_dataset", load)
    with pytest.raises(
        DataError, match=r"some/faces: no such folder \(.*\), and not on the hub either: .*doesn't exist"
    ):
        opened(tmp_path, path="some/faces")


def test_a_missing_library_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(DataError, match=r'pip install "ugpnet-bench\[huggingface\]"'):
        opened(tmp_path)


def test_the_fingerprint_follows_content_not_place(faces, tmp_path):
    same = opened(faces, size=8).fingerprint()
    shutil.copytree(tmp_path / "faces", tmp_path / "copy")
    assert opened(tmp_path, path="copy", size=8).fingerprint() == same
    (tmp_path / "parquet").mkdir()
    datasets.load_from_disk(tmp_path / "faces")["train"].to_parquet(tmp_path / "parquet" / "train.parquet")
    assert opened(tmp_path, path="parquet", size=8).fingerprint() == same
    others = [{"size": 9}, {"size": 8, "count": 4}, {"size": 8, "fit": "center_crop"}, {"size": 8, "id_column": "name"}]
    assert same not in {opened(faces, **fields).fingerprint() for fields in others}
    assert opened(faces).fingerprint() == opened(faces, fit="center_crop").fingerprint()


def test_other_bytes_in_either_column_change_the_fingerprint(tmp_path):
    before = pairs(tmp_path).fingerprint()
    shutil.rmtree(tmp_path / "faces")
    changed = [*rows(2, height=8, width=12), encoded(pixels(8, 12, seed=9))]
    assert pairs(tmp_path, changed).fingerprint() != before


def test_digests_are_remembered_while_the_files_are_unchanged(faces, tmp_path):
    first = opened(faces).fingerprint()
    remembered = tmp_path / "cache" / "digests.json"
    assert opened(faces).fingerprint() == first
    text = remembered.read_text()
    remembered.write_text(text.replace(': "', ': "0'))
    assert opened(faces).fingerprint() != first
    shutil.rmtree(tmp_path / "faces")
    DatasetDict(train=dataset(rows())).save_to_disk(tmp_path / "faces")
    assert opened(faces).fingerprint() == first


def test_workers_get_it_whole(faces):
    source = pickle.loads(pickle.dumps(opened(faces, size=8)))
    assert_array_equal(source.image(3), opened(faces, size=8).image(3))
    batches = TrainingBatches(Pairs(source, (), 0), seed=0, batch_size=2)
    from torch.utils.data import DataLoader

    made = list(DataLoader(batches, batch_size=None, sampler=range(3), num_workers=1))
    for step, batch in enumerate(made):
        assert (batch.gt == batches.batch(step).gt).all()
