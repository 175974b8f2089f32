# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What a session tells: its table on the screen, and what goes into its report."""

from __future__ import annotations

import importlib.metadata
import platform
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from torch import Tensor

from mm_perception.head import Head
from mm_perception.pipeline import Pipeline, PipelineSettings
from training.evaluation.evaluate import ZERO_FILL, Scores
from training.evaluation.shared_space import shared_space
from training.evaluation.trust import Findings, auroc, share_over
from training.features.dataset import Dataset
from training.fitting.climb import UNLABELLED, Epoch
from training.fitting.fit import TrainingData
from training.fitting.joined import Features
from training.report import Report, Samples


@dataclass(frozen=True)
class About:
    """What a report says beside the scores; see `training.report.Report`."""

    title: str
    setup: dict[str, str]
    warnings: list[str]
    labelled: dict[str, int] = field(default_factory=dict)
    efficiency: list[tuple[int, dict[str, float]]] = field(default_factory=list)
    trust: Findings | None = None
    history: list[Epoch] = field(default_factory=list)


def description(data: TrainingData, train: Dataset, test: Dataset) -> str:
    """Say in a line what is learned from, and what is held out."""
    return (
        f'{len(data.labels)} training frames of {len(train.rows)} recordings, '
        f'{data.labelled} of them labelled ({data.labelled / len(data.labels):.1%}), '
        f'{len(data.classes)} classes; {len(test.rows)} recordings held out'
    )


def facts_of(
    data: TrainingData, train: Dataset, pipeline: Pipeline, seconds: float, recipe: str
) -> dict[str, str]:
    """Say what a model was made of, and how."""
    backbones = {
        f'{modality} backbone': f'{spec.name}, {spec.weights} weights'
        for modality, spec in pipeline.settings.backbones.items()
    }
    return {
        'training frames': f'{len(data.labels)} of {len(train.rows)} recordings',
        'labelled frames': str(data.labelled),
        **backbones,
        'device': str(pipeline.device),
        'time': f'{seconds:.0f} s',
        **versions(),
        'recipe': recipe,
    }


def accuracy_table(scores: dict[str, Scores]) -> Table:
    """Show the accuracy of each mode."""
    frames = len(next(iter(scores.values())).truth)
    table = Table(title=f'accuracy on {frames} held-out frames', title_justify='left')
    table.add_column('mode')
    table.add_column('accuracy', justify='right')
    table.add_column('calibration error', justify='right')
    for mode, result in scores.items():
        table.add_row(mode, f'{result.accuracy:.1%}', f'{result.calibration_error:.3f}')
    return table


def tell_lost(scores: Mapping[str, Scores], classes: Sequence[str], console: Console) -> None:
    """Say which classes a mode never recognises: an accuracy over many classes hides that."""
    for mode, found in scores.items():
        if (lost := found.lost) and not mode.endswith(ZERO_FILL):
            console.print(
                f'[yellow]never recognised[/], {mode}: {", ".join(classes[i] for i in lost)}; more '
                'labels of it, or another seed (--set seed=1), may help; the report has what it '
                'is taken for',
                soft_wrap=True,
            )


def trust_table(found: Findings) -> Table:
    """Show how often known and unknown objects are called unknown, and what crossed pairs give."""
    evidence, usual = found.evidence, found.settings
    unknown = len(next(iter(evidence.unknown.values())))
    table = Table(
        title=f'called unknown, of {len(evidence.recordings)} + {unknown} frames',
        title_justify='left',
        caption=_agreement(found),
        caption_justify='left',
    )
    for name in ('mode', 'known', 'known, other half', 'unknown', 'AUROC'):
        table.add_column(name, justify='left' if name == 'mode' else 'right')
    for mode, threshold in usual.novelty.items():
        table.add_row(
            mode,
            _percent(share_over(evidence.known[mode], threshold)),
            _percent(evidence.false_rejection(mode, usual.false_rejection)),
            _percent(share_over(evidence.unknown[mode], threshold)),
            _percent(auroc(evidence.known[mode], evidence.unknown[mode])),
        )
    return table


def _agreement(found: Findings) -> str:
    """Put the disagreement of the eyes in words."""
    other_half = 'other half: recordings judged by the threshold that the other half of them gives'
    threshold = found.settings.contradiction
    if threshold is None or not len(found.evidence.crossed):
        return other_half
    alarms = _percent(share_over(found.evidence.agreeing, threshold))
    noticed = _percent(share_over(found.evidence.crossed, threshold))
    return (
        f'{other_half}\nthe two sensors disagree: said of {noticed} of pairs that show different '
        f'objects, of {alarms} of good pairs'
    )


def _percent(share: float | None) -> str:
    return '–' if share is None else f'{share:.1%}'


def make_report(
    about: About,
    classes: tuple[str, ...],
    scores: dict[str, Scores],
    dataset: Dataset,
    judged: tuple[Head, torch.device] | None = None,
) -> Report:
    """Gather a report's contents: the pictures and places of the rows that were scored.

    Args:
        about: What it says beside the scores.
        classes: The class names, in the order of the scores' columns.
        scores: By mode.
        dataset: The held-out recordings.
        judged: The model, and where it computes, to show where it sees the frames.

    """
    data = dataset.training_data(classes)
    known = (data.labels != UNLABELLED).numpy()
    places = [place for place, row in zip(dataset.places(), known, strict=True) if row]
    return Report(
        title=about.title,
        classes=classes,
        scores=scores,
        samples=Samples(
            thumbnails={name: images[known] for name, images in dataset.thumbnails().items()},
            recordings=tuple(name for name, _ in places),
            times=tuple(seconds for _, seconds in places),
        ),
        efficiency=about.efficiency,
        setup=about.setup,
        command=shlex.join(['train', *sys.argv[1:]]),
        warnings=about.warnings,
        labelled=about.labelled,
        trust=about.trust,
        history=about.history,
        space=judged and shared_space(judged[0], _rows(data.features, known), judged[1]),
    )


def _rows(features: Mapping[str, Features], chosen: NDArray[np.bool_]) -> dict[str, Tensor]:
    return {name: values[torch.from_numpy(chosen)] for name, values in features.items()}


def random_weights(settings: PipelineSettings) -> list[str]:
    """Say which backbones were never trained."""
    return [
        f'the {spec.name} of {modality} was never trained (seed {spec.seed}), and the bundle '
        'records it; for real objects give --backbone-weights'
        for modality, spec in settings.backbones.items()
        if spec.weights == 'random'
    ]


def versions() -> dict[str, str]:
    """Name the software that the figures come from, as a row of a report's setup."""
    return {
        'versions': f'mm_perception {version()}, torch {torch.__version__}, '
        f'Python {platform.python_version()}'
    }


def version() -> str:
    """Give this package's version."""
    try:
        return importlib.metadata.version('mm_perception')
    except importlib.metadata.PackageNotFoundError:
        return 'unknown (not installed)'
