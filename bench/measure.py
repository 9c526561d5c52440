"""The `measure` job: complexity and latency of one method's network on this device, written as `measure.json`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import torch

from bench.complexity import measure_complexity
from bench.device import describe_device, pick_device
from bench.execute import Workplace
from bench.job import Job
from bench.row import from_spec
from bench.timing import time_calls
from methods.base import Task


def measure_method(job: Job, place: Workplace) -> Mapping[str, Any]:
    """Parameters, MACs, peak memory and latency at the job's input size, random weights, eval mode, fp32."""
    task = Task(**job.spec["task"])
    measure = job.spec["measure"]
    device = pick_device()
    method = from_spec(job.spec["row"]).build(task)
    network = method.adapt(method.network()).eval().requires_grad_(False).to(device)
    side = job.spec["size"] // task.scale
    image = torch.rand(measure["batch"], 3, side, side, generator=torch.Generator().manual_seed(0)).to(device)
    with torch.inference_mode():
        latency = time_calls(lambda: network(image), device, measure["warmup"], measure["repeats"])
    complexity = measure_complexity(network, image)
    result = {
        "complexity": asdict(complexity),
        "latency_ms": asdict(latency),
        "device": describe_device(),
        "input": list(image.shape),
    }
    (place.folder / "measure.json").write_text(json.dumps(result, indent=1))
    return {}
