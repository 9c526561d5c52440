"""Jobs on a real Ray cluster of two nodes on this machine: the local run's numbers, also when a node dies in mid-suite."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd
import psutil
import pytest
import yaml
from typer.testing import CliRunner

from bench.cli import app
from bench.errors import BenchError
from bench.execute import Progress
from bench.executors.cluster.base import Handle
from bench.executors.cluster.demand import Demand, Share
from bench.executors.cluster.errand import Errand, Inputs
from bench.executors.cluster.folder import Folder
from bench.executors.engine import RAY_SETTINGS
from bench.executors.local import LocalExecutor
from bench.job import Job
from bench.plan import make_plan
from bench.run import Run, run_plan
from bench.store import Store
from bench.suite import load_suite
from bench.train.execution import Execution

for name, value in RAY_SETTINGS.items():
    os.environ.setdefault(name, value)  # read when Ray is imported
ray = pytest.importorskip("ray")

from bench.executors.ray import RayCluster, RayExecutor, connect  # noqa: E402

pytestmark = pytest.mark.slow

BENCH = (sys.executable, "-c", "from bench.cli import main; main()")
MEMORY = 80 * 2**20
STEPS = 60
NO_GPU = Share(1.0, 0.0)


STEADY = """
import time
from pathlib import Path
from methods.nafnet import NAFNetMethod
from ugpnet.nn.nafnet import NAFNet


class Steady(NAFNet):
    def forward(self, x):
        if self.training:
            with Path(__file__).with_name("steps").open("a") as steps:
                steps.write(".")
            time.sleep(0.7 * Path(__file__).with_name("slowly").exists())
        return super().forward(x)


class SteadyMethod(NAFNetMethod):
    def network(self):
        return Steady(3, 4, 1, (1,), (1,))
"""
"""A method of a lab's own: it counts its steps, and takes its time if asked to."""


FAILING = """
from methods.nafnet import NAFNetMethod
from ugpnet.nn.nafnet import NAFNet


class Failing(NAFNet):
    def forward(self, x):
        return x / (1 // 0)


class FailingMethod(NAFNetMethod):
    def network(self):
        return Failing(3, 4, 1, (1,), (1,))
"""

RANKS = """
import json, os
from pathlib import Path
from bench.errors import BenchError
from methods.nafnet import NAFNetMethod

NAMES = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")


class RanksMethod(NAFNetMethod):
    def network(self):
        known = {name: os.environ.get(name) for name in NAMES}
        Path(__file__).with_name(f"rank{known['RANK']}.json").write_text(json.dumps(known))
        raise BenchError(f"enough: {known['WORLD_SIZE']}")
"""


@dataclass
class Nodes:
    """The head, on which the tests are, and another one that may be lost."""

    cluster: Any
    other: Any

    def lose(self) -> None:
        """All its processes at once, as when a machine goes."""
        [raylet] = self.other.all_processes["raylet"]
        for worker in psutil.Process(raylet.process.pid).children(recursive=True):
            worker.kill()
        self.cluster.remove_node(self.other, allow_graceful=False)
        self.other = None


@pytest.fixture(scope="module")
def nodes() -> Iterator[Nodes]:
    """One processor each; the head says that it has a GPU, which nothing computes on. This process stays connected."""
    from ray.cluster_utils import Cluster

    head = {"num_cpus": 1, "num_gpus": 1, "object_store_memory": MEMORY, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    other = cluster.add_node(num_cpus=1, object_store_memory=MEMORY)
    before = signal.getsignal(signal.SIGTERM)
    connect(cluster.address)
    assert signal.getsignal(signal.SIGTERM) is before  # which Ray would take
    yield Nodes(cluster, other)
    ray.shutdown()
    cluster.shutdown()


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with modules that only this process knows of."""
    folder = tmp_path_factory.mktemp("lab")
    (folder / "raylab").mkdir()
    for name, text in {"steady": STEADY, "failing": FAILING, "ranks": RANKS}.items():
        (folder / "raylab" / f"{name}.py").write_text(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        yield folder / "raylab"


def write(path: Path, iterations: int, *methods: str, **more: Any) -> Path:
    """A suite of `input` and of methods like NAFNet."""
    document = yaml.safe_load(Path(__file__).with_name("tiny.yaml").read_text())
    row = document["methods"]["nafnet"]
    row["budget"]["iterations"] = iterations
    rows = {"input": {}, **{method: deepcopy(row) for method in methods}}
    path.write_text(yaml.safe_dump({**document, "methods": rows, "components": {}, **more}, sort_keys=False))
    return path


@pytest.fixture(scope="module")
def suite(lab: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two trainings that can run at once, of so many steps that one can be lost in the middle."""
    return write(tmp_path_factory.mktemp("suite") / "tiny.yaml", STEPS, "raylab.steady", seeds=[1, 2])


@pytest.fixture(scope="module")
def alone(suite: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """What one job after the other makes of it."""
    store = Store(tmp_path_factory.mktemp("alone")).open()
    return run_plan(make_plan(load_suite(suite), store.cache), store, Execution(), LocalExecutor(), Notes())


class Notes:
    """What a watcher is told, in order; `on_step` hears of every step."""

    def __init__(self, on_step: Callable[[Progress], None] | None = None) -> None:
        self.lines: list[tuple[str, str, str]] = []
        self.steps: list[tuple[str, int]] = []
        self.on_step = on_step

    def started(self, job: Job) -> None:
        self.lines.append(("started", job.kind, job.key))

    def progressed(self, progress: Progress) -> None:
        self.steps.append((progress.job.key, progress.done))
        if self.on_step is not None and progress.job.kind == "train":
            self.on_step(progress)

    def finished(self, job: Job, seconds: float) -> None:
        self.lines.append(("ended", job.kind, job.key))

    def failed(self, job: Job, reason: str) -> None:
        self.lines.append(("ended", job.kind, job.key))

    def most_at_once(self, kind: str) -> int:
        """Jobs at work while one of the kind was."""
        running: dict[str, str] = {}
        most = 0
        for event, of, key in self.lines:
            if event == "started":
                running[key] = of
            else:
                del running[key]
            if kind in running.values():
                most = max(most, len(running))
        return most


def run(
    path: Path, results: Path, executor: RayExecutor | None = None, notes: Notes | None = None, every: int | None = None
) -> Run:
    store = Store(results).open()
    plan = make_plan(load_suite(path), store.cache)
    executor = executor or RayExecutor(None, NO_GPU, print)
    return run_plan(plan, store, Execution(checkpoint_every=every), executor, notes or Notes())


def contents(made: Run) -> dict[str, str]:
    """Digests of all that jobs made, but for times and what names the machine."""
    store = made.folder.parents[1] / ".store"
    kept = (path for path in store.glob("[0-9a-f]*/**/*") if path.is_file() and path.suffix != ".json")
    return {str(path.relative_to(store)): hashlib.sha256(path.read_bytes()).hexdigest() for path in kept}


def assert_equal(made: Run, alone: Run) -> None:
    """Every file, every score and the table, whose times are left out."""
    assert made.outcome.failed == {}
    assert sorted(made.outcome.done) == sorted(alone.outcome.done)
    assert len(contents(alone)) > 10
    assert contents(made) == contents(alone)
    assert (made.folder / "rows.parquet").read_bytes() == (alone.folder / "rows.parquet").read_bytes()
    tables = [pd.read_csv(each.folder / "table.csv") for each in (made, alone)]
    pd.testing.assert_frame_equal(*(table[table.column.isin(["psnr", "swd"])] for table in tables))


def test_two_nodes_leave_what_one_job_after_the_other_does(
    nodes: Nodes, suite: Path, alone: Run, tmp_path: Path
) -> None:
    notes, lines = Notes(), []
    made = run(suite, tmp_path, RayExecutor(None, NO_GPU, lines.append), notes)
    assert_equal(made, alone)
    assert notes.most_at_once("train") == 2
    assert notes.most_at_once("measure") == 1
    assert max(done for _, done in notes.steps) == STEPS
    assert lines == ["on Ray, this machine: 2 nodes, 2 CPU, 1 GPU; results folder shared"]
    assert not list((tmp_path / ".store").glob(".seen-*"))


class Apart(RayCluster):
    """A cluster whose nodes do not see the results folder, nor what they made before: every job has a scratch folder alone."""

    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.count = itertools.count()
        self.folders: list[Folder] = []

    def look(self, folder: Folder) -> Mapping[str, bool]:
        return super().look(replace(folder, root=Path("/nowhere")))

    def submit(self, errand: Errand, inputs: Inputs, demand: Demand) -> Handle:
        if demand.here:
            return super().submit(errand, inputs, demand)
        scratch = f"{errand.folder.scratch}-{next(self.count)}"
        self.folders.append(replace(errand.folder, root=Path("/nowhere"), scratch=scratch))
        return super().submit(replace(errand, folder=self.folders[-1]), inputs, demand)

    def clear(self, folder: Folder) -> None:
        for each in self.folders:
            super().clear(each)


class ApartExecutor(RayExecutor):
    def connect(self) -> Apart:
        return Apart(self.address)


def test_without_a_folder_in_common_results_are_sent(nodes: Nodes, suite: Path, alone: Run, tmp_path: Path) -> None:
    lines: list[str] = []
    made = run(suite, tmp_path, ApartExecutor(None, NO_GPU, lines.append))
    assert_equal(made, alone)
    assert "2 of them without the results folder, results are sent" in lines[0]
    assert not list(Path(tempfile.gettempdir()).glob("ugpnet-bench-*-*"))


def test_a_failure_is_one_row_s(nodes: Nodes, lab: Path, tmp_path: Path) -> None:
    store = Store(tmp_path / "results").open()
    path = write(tmp_path / "s.yaml", 2, "raylab.failing", "raylab.steady", measure=None)
    jobs = make_plan(load_suite(path), store.cache).jobs
    outcome = RayExecutor(None, NO_GPU, print).run(jobs, store, Execution(), Notes())
    [reason] = set(outcome.failed.values())
    assert reason.startswith("raylab.failing network: ZeroDivisionError")
    assert str(store.folder / ".work") in reason
    labels = {job.key: job.label for job in jobs}
    assert {"raylab.steady score", "input score"} <= {labels[key] for key in outcome.done}


def test_two_trainings_share_a_gpu_and_a_processor(nodes: Nodes, suite: Path, tmp_path: Path) -> None:
    """There is one GPU, on a node with one processor: two trainings at once have parts of both."""
    store, notes = Store(tmp_path).open(), Notes()
    jobs = [job for job in make_plan(load_suite(suite), store.cache).jobs if job.kind == "train"]
    executor = RayExecutor(None, Share(0.25, 0.5), print)
    assert executor.run(jobs, store, Execution(), notes).failed == {}
    assert notes.most_at_once("train") == 2


def test_what_no_node_has_is_refused_at_once(nodes: Nodes, suite: Path, tmp_path: Path) -> None:
    for share, wanted in ((Share(64.0), "64 CPU"), (Share(1.0, 2.0), "2 GPU")):
        with pytest.raises(BenchError, match=rf"a job takes .*{wanted}.*, and the nodes of the cluster have less"):
            run(suite, tmp_path, RayExecutor(None, share, print))
    assert Store(tmp_path).all_keys() == []


def test_the_processes_of_a_training_are_placed_together(nodes: Nodes, lab: Path, tmp_path: Path) -> None:
    store = Store(tmp_path / "results").open()
    path = write(tmp_path / "s.yaml", 2, "raylab.ranks", measure=None)
    [job] = (job for job in make_plan(load_suite(path), store.cache).jobs if job.kind == "train")
    executor = RayExecutor(None, Share(0.5, 0.0), print)
    assert executor.run([job], store, Execution(processes=2), Notes()).failed == {job.key: "enough: 2"}
    known = [json.loads(file.read_text()) for file in sorted(lab.glob("rank*.json"))]
    assert known[0]["RANK"] == "0"
    assert {each["LOCAL_RANK"] for each in known} == {"0"}
    assert len({(each["MASTER_ADDR"], each["MASTER_PORT"]) for each in known}) == 1
    assert {info["state"] for info in ray.util.placement_group_table().values()} == {"REMOVED"}


def test_a_sweep_s_trials_run_there(nodes: Nodes, tmp_path: Path) -> None:
    space = {"nafnet.budget.iterations": {"choices": [1, 2]}}
    sweep = {"row": "nafnet", "space": space, "objectives": {"psnr": "max"}, "sampler": "grid", "trials": 2}
    path = write(tmp_path / "s.yaml", 2, "nafnet", sweep=sweep)
    command = ["sweep", str(path), "--results", str(tmp_path / "results"), "--engine", "ray", "--job-gpus", "0"]
    made = CliRunner().invoke(app, command)
    assert made.exit_code == 0, made.output
    assert made.output.count("on Ray, this machine: 2 nodes") == 1
    assert sorted(made.output.count(f"ok trial {n}:") for n in range(2)) == [1, 1]


def test_a_node_that_dies_in_mid_suite_costs_only_its_steps(
    nodes: Nodes, lab: Path, suite: Path, alone: Run, tmp_path: Path
) -> None:
    """Both trainings are under way, one on each node. The one that is lost goes on from its checkpoint on the other node."""
    under_way: set[str] = set()

    def lose_one(progress: Progress) -> None:
        if 12 <= progress.done < STEPS:
            under_way.add(progress.job.key)
        if len(under_way) == 2 and nodes.other is not None:
            nodes.lose()
            (lab / "slowly").unlink()

    notes, lines = Notes(lose_one), []
    (lab / "steps").unlink()
    (lab / "slowly").touch()
    made = run(suite, tmp_path, RayExecutor(None, NO_GPU, lines.append), notes, every=5)
    assert_equal(made, alone)
    assert len(lines) == 2
    assert "raylab.steady network: was lost with its node or process, begun again on" in lines[1]
    assert 2 * STEPS <= len((lab / "steps").read_text()) < 2 * STEPS + 12
    trainings = [event for event, kind, _ in notes.lines if kind == "train"]
    assert sorted(trainings) == ["ended"] * 2 + ["started"] * 2


# On a Ray of its own


def test_ctrl_c_saves_the_step_and_leaves_no_process(lab: Path, tmp_path: Path) -> None:
    """The method lies in the current folder."""
    path = write(tmp_path / "s.yaml", 100_000, "raylab.steady", measure=None)
    (lab / "steps").unlink(missing_ok=True)
    process = subprocess.Popen(
        [*BENCH, "run", str(path), "--engine", "ray", "--results", str(tmp_path / "results")], cwd=lab.parent,
        env={**os.environ, "PYTHONPATH": os.getcwd(), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
    )  # fmt: skip
    deadline = time.monotonic() + 240
    while process.poll() is None and not (lab / "steps").exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    started = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGINT)
    output = process.communicate(timeout=120)[0].decode()
    assert process.returncode == 130, output
    assert "bench: interrupted; the same command goes on from here" in output
    assert "raylet" not in output
    assert list((tmp_path / "results" / ".store" / ".work").glob("*/checkpoint-*.json"))
    assert not psutil.wait_procs(started, timeout=30)[1]


def test_an_address_where_nobody_answers_is_named_at_once() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]  # nobody listens there
        with pytest.raises(BenchError, match=rf"--address 127.0.0.1:{port}: no Ray cluster can be reached there \("):
            connect(f"127.0.0.1:{port}")
    with pytest.raises(BenchError, match="start bench on a node of the cluster"):
        connect("ray://head:10001")
