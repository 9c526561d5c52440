"""The Optuna study of a sweep: its name, and what must be the same for results to belong together."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Sequence
from typing import Any

import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.storages import BaseStorage
from optuna.study import StudyDirection

from bench.errors import StoreError
from bench.job import canonical
from bench.sweep.objectives import Objective
from bench.sweep.variation import SECTION, Subject

IDENTITY = "sweep"
"""The study's attribute that holds what it is of."""

NOT_COMPARED = ("loggers", SECTION)


def identity(subject: Subject) -> dict[str, Any]:
    """What makes two trials comparable: row, space, objectives and the resolved suite, as its digest; not how trials are
    chosen or how many there are, which may change on the way."""
    document = {name: value for name, value in subject.suite.document.items() if name not in NOT_COMPARED}
    suite = hashlib.sha256(canonical([subject.suite.profile, document]).encode()).hexdigest()
    chosen = subject.sweep.model_dump(mode="json", include={"row", "space", "objectives"}, exclude_defaults=True)
    return {"suite": suite, **chosen}


def folder_name(subject: Subject) -> str:
    """`sweep-<8 digits of the identity>`."""
    return f"sweep-{hashlib.sha256(canonical(identity(subject)).encode()).hexdigest()[:8]}"


def study_name(subject: Subject) -> str:
    """As a dashboard lists it: `<suite>-sweep-<8 digits>`."""
    return f"{subject.suite.file.name}-{folder_name(subject)}"


def open_study(storage: BaseStorage, subject: Subject, objectives: Sequence[Objective]) -> optuna.Study:
    """The study of this sweep, new or as it stands. Raises StoreError if another one has its name."""
    name, wanted = study_name(subject), identity(subject)
    directions = [_direction(each) for each in objectives]
    study = optuna.create_study(storage=storage, study_name=name, directions=directions, load_if_exists=True)
    found = study.user_attrs.get(IDENTITY)
    if found is None and not study.get_trials(deepcopy=False) and study.directions == directions:
        _describe(study, wanted, objectives)
    elif found != wanted or study.directions != directions:
        problem = "is not of this space and these objectives"
        raise StoreError(
            f"{subject.where}: the study {name!r} of the storage {problem}; delete it or use another storage"
        )
    return study


def _describe(study: optuna.Study, wanted: dict[str, Any], objectives: Sequence[Objective]) -> None:
    study.set_user_attr(IDENTITY, wanted)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        study.set_metric_names([each.name for each in objectives])


def _direction(objective: Objective) -> StudyDirection:
    return StudyDirection.MAXIMIZE if objective.direction == "up" else StudyDirection.MINIMIZE
