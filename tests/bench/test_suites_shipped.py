"""The suites of this repository: each can be planned in every profile, and trains no more than it must."""

from __future__ import annotations

import re
from collections import Counter
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.plan import Plan, make_plan
from bench.suite import load_suite

SUITES = Path(__file__).parents[2] / "suites"
NAMES = sorted(path.stem for path in SUITES.glob("*.yaml"))
PROFILES = ("quick", "lab", "paper")


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data root with one image of 512 px wherever a profile looks for a folder."""
    root = tmp_path_factory.mktemp("data")
    for name in ("faces/train", "faces/test", "photos/test", "photos", "ffhq", "celeba-hq"):
        (root / name).mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.zeros((512, 512, 3), np.uint8)).save(root / name / "one.png")
    return root


def plan_of(name: str, profile: str, root: Path, *more: str) -> Plan:
    assignments = list(more)
    suite = load_suite(SUITES / f"{name}.yaml", profile)
    if suite.file.data is not None and suite.file.data.train.source == "folder":
        assignments += [f"data.root={root}", "data.train.count=1", "data.test.count=1"]
    elif suite.file.data is not None and suite.file.data.test.source == "folder":
        assignments += [f"data.root={root}", "data.test.count=1"]
    return make_plan(load_suite(SUITES / f"{name}.yaml", profile, assignments))


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("name", NAMES)
def test_every_suite_has_every_profile_and_can_be_planned(name: str, profile: str, images: Path) -> None:
    plan = plan_of(name, profile, images)
    assert plan.suite.file.name == name
    assert any(row.unsupported is None for row in plan.rows)


@cache
def quick(name: str) -> Plan:
    return make_plan(load_suite(SUITES / f"{name}.yaml", assignments=["seeds=[777]"]))


def test_twelve_trainings_of_an_ablation_are_seven() -> None:
    """Per regressor: its own, the restoration, two syntheses and three fusions, for four rows that would need 12 alone."""
    plan = quick("ablation")
    assert plan.trainings() == (14, 24)
    jobs = Counter(job.label for job in plan.jobs if job.kind == "train")
    assert max(jobs.values()) == 1
    [regressor] = (job for job in plan.jobs if job.label == "nafnet network")
    assert plan.users(regressor.key) == 5  # its own row, R_mg, and the variant's synthesis, fusion and row


@pytest.mark.parametrize(("name", "other", "own"), [("ood", "methods", 0), ("methods", "deblur", 8)])
def test_suites_share_their_trainings(name: str, other: str, own: int) -> None:
    there = {job.key for job in quick(other).jobs if job.kind == "train"}
    assert sum(job.kind == "train" and job.key not in there for job in quick(name).jobs) == own


def test_the_tutorial_s_suite_starts_from_the_prior_of_faces(images: Path, tmp_path: Path) -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", (SUITES.parent / "docs" / "tutorial.md").read_text(), re.DOTALL)
    path = tmp_path / "mine.yaml"
    path.write_text(blocks[-1].replace("suites/deblur.yaml", str(SUITES / "deblur.yaml")))
    deblur = make_plan(load_suite(path, assignments=[f"data.root={images}"]))
    prior = make_plan(load_suite(SUITES / "prior.yaml", "faces64", [f"data.root={images}"]))
    [trained] = (job for job in prior.jobs if job.kind == "train")
    assert deblur.users(trained.key) == 3  # GFP-GAN, UGPNet's synthesis and its fusion


def test_the_regressors_come_from_the_ablation() -> None:
    there = {job.key for job in quick("ablation").jobs if job.kind == "train"}
    new = {job.label.split()[0] for job in quick("regressors").jobs if job.kind == "train" and job.key not in there}
    assert new == {"unet", "ugpnet-unet", "rrdbnet", "ugpnet-rrdbnet", "ugpnet-spandrel"}


def test_paper_profiles_have_the_papers_numbers(images: Path) -> None:
    without_vgg = [
        f"ugpnet.{loss}.features=random" for loss in ("synthesis.perceptual", "fusion.perceptual", "fusion.contextual")
    ]
    plan = plan_of("deblur", "paper", images, *without_vgg)
    lengths = {job.label: job.units for job in plan.jobs if job.kind == "train"}
    assert lengths["ugpnet restoration"] == 20_000
    assert lengths["ugpnet synthesis"] == lengths["ugpnet fusion"] == 40_000
    assert lengths["nafnet network"] == 200_000
    assert plan.suite.file.degradation[0].model_dump()["kernel_size"] == 71
    assert plan.suite.task.size == 512
