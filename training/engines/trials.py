# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Every engine tried on a bundle and recordings; the bundle gets int8 networks if they are good."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from rich.table import Table
from safetensors.torch import save_file
from torch import Tensor

from mm_perception.bundle import Bundle, save_bundle
from mm_perception.engines import (
    Candidate,
    EngineSettings,
    Images,
    Trial,
    Workload,
    build,
    candidates,
    judge_with,
    measure,
    one_by_one,
    processors,
)
from mm_perception.errors import ImageError, TrainingError
from mm_perception.head import Judge
from mm_perception.manifest import FRAMES
from mm_perception.objects.finding import finder_for
from mm_perception.observation import Modality
from mm_perception.pipeline import Pipeline
from mm_perception.trust import TrustSettings, modes_of
from training.engines.quantization import quantize
from training.material import Material
from training.progress import progress_bars
from training.session import Setting

CALIBRATION = 300
"""Frames whose activations give the ranges of int8; NNCF's own default."""
TEST = 1000
KEPT = 8
"""Frames that stay in the bundle, for the robot to check its engine with."""
ALLOWED = 0.005
"""Share of the labels that int8 may change, and of the right ones that it may lose, in any mode.

One frame it may always: of fewer than 200 that is more, but one alone tells nothing of a share.
"""
_WITHIN = 0.01
"""Relative error of the features that int8 may make when all of its layers change too many labels.

Of the errors that were tried it is the greatest with which the labels were the reference's often
enough; whether they are is told by held-out frames alone.
"""
_STRANGE = -1
_WAY_OUT = 'robots go on with the other engines; more recordings to quantize by may help'


@dataclass(frozen=True)
class Labelled:
    """Frames as the networks take them.

    Attributes:
        images: [N, size, size, 3] uint8 by modality.
        truth: [N] class numbers; −1 where there is no label.

    """

    images: Images
    truth: NDArray[np.int64]


@dataclass(frozen=True)
class EngineScores:
    """What an engine gives.

    Attributes:
        trial: Its time here, and its features' error.
        agreement: By mode, the share of frames with the label that the reference gives.
        accuracy: By mode, the share of frames whose label is right; ``unknown`` is not.

    """

    trial: Trial
    agreement: dict[str, float]
    accuracy: dict[str, float]


def try_engines(
    path: Path, setting: Setting, material: Material, test: Material
) -> tuple[list[EngineScores], str]:
    """Quantize a bundle's backbones, and try every engine on held-out recordings.

    Args:
        path: The bundle; int8 networks that change no more than `ALLOWED` are put into it.
        setting: Where the weights are and whom to tell.
        material: Recordings like those that it was trained with; they give int8 its ranges.
        test: Labelled recordings that it was not trained with.

    Returns:
        The scores, the reference's first, and what became of int8.

    Raises:
        MMPerceptionError: Whatever is wrong with the input.

    """
    bundle = Bundle.load(path)
    settings, weights = bundle.manifest.pipeline, bundle.backbone_weights
    if setting.backbone_weights is not None:
        weights = {m: weights.get(m, setting.backbone_weights) for m in settings.modalities}
    pipeline = Pipeline(settings, weights)
    shown = gather(material, pipeline, bundle.manifest.classes, CALIBRATION, setting)
    held_out = gather(test, pipeline, bundle.manifest.classes, TEST, setting)
    if not (held_out.truth >= 0).any():
        raise TrainingError('--test: no labelled frame of a class that the bundle knows')
    with tempfile.TemporaryDirectory() as name, setting.console.status('quantizing to int8'):
        kept = _thinned(shown.images, KEPT)
        for within in (None, _WITHIN):  # every layer, or without those that hurt the most
            networks = quantize(pipeline.backbones, shown.images, Path(name), within)
            work = Workload(pipeline.backbones, kept, networks)
            scores = list(_scores(bundle, work, held_out))
            if (why := _why_not(scores, held_out)) is None:
                break
        else:
            return scores, f'int8 is left out: {why}; {_WAY_OUT}'
        frames = Path(name) / FRAMES
        save_file({str(m): torch.from_numpy(images) for m, images in kept.items()}, frames)
        _put_in(bundle, networks, frames, scores[-1])
    return scores, f'int8 is in {path}: robots with OpenVINO can take it'


def gather(
    material: Material, pipeline: Pipeline, classes: tuple[str, ...], most: int, setting: Setting
) -> Labelled:
    """Prepare frames of all modalities, evenly spaced over the recordings.

    Raises:
        TrainingError: There are none.

    """
    found: list[tuple[dict[Modality, NDArray[np.uint8]], int]] = []
    every = 1
    with progress_bars(setting.console) as progress:
        task = progress.add_task('frames', total=None)
        for number, each in enumerate(_prepared(material, pipeline, classes)):
            if number % every:
                continue
            found.append(each)
            progress.advance(task, 1)
            if len(found) >= 2 * most:
                found, every = found[::2], 2 * every
    if not found:
        names = ', '.join(source.name for source in material.sources)
        raise TrainingError(f'recordings {names}: no observation with both RGB and depth')
    found = [found[i] for i in _spaced(len(found), most)]
    images = {m: np.stack([each[m] for each, _ in found]) for m in pipeline.settings.modalities}
    return Labelled(images, np.array([number for _, number in found]))


def engines_table(scores: list[EngineScores]) -> Table:
    """Show what each engine gives."""
    modes = list(scores[0].accuracy)
    table = Table(
        title=f'engines on {processors()} processors',
        title_justify='left',
        caption='ms: one image of each modality; error: of the features; by mode: % of the labels '
        "that are the first row's / % that are right",
        caption_justify='left',
    )
    for name in ('engine', 'ms', 'ratio', 'error', *modes):
        table.add_column(name, justify='left' if name == 'engine' else 'right')
    reference = scores[0].trial.milliseconds
    for each in scores:
        trial = each.trial
        table.add_row(
            f'{trial.engine} {trial.precision}',
            f'{trial.milliseconds:.1f}',
            f'{trial.milliseconds / reference:.2f}',
            f'{trial.error:.2%}',
            *(f'{1e2 * each.agreement[m]:.1f} / {1e2 * each.accuracy[m]:.1f}' for m in modes),
        )
    return table


def _prepared(
    material: Material, pipeline: Pipeline, classes: tuple[str, ...]
) -> Iterator[tuple[dict[Modality, NDArray[np.uint8]], int]]:
    wanted, index = set(pipeline.settings.modalities), {name: i for i, name in enumerate(classes)}
    for source in material.sources:
        finder = finder_for('bundle', pipeline.settings.region)
        for time, observation in source.observations(1):
            try:
                box = finder.main(observation) if finder else None
                images = pipeline.prepare(observation, box)
            except ImageError:  # no modality shows anything, or there is no object
                continue
            if wanted <= set(images):
                yield images, index.get(material.label_of(source.name, time) or '', _STRANGE)


def _spaced(count: int, most: int) -> NDArray[np.int64]:
    places: NDArray[np.int64] = np.linspace(0, count - 1, min(most, count)).round().astype(np.int64)
    return places


def _thinned(images: Images, most: int) -> dict[Modality, NDArray[np.uint8]]:
    return {m: each[_spaced(len(each), most)] for m, each in images.items()}


def _scores(bundle: Bundle, work: Workload, held_out: Labelled) -> Iterator[EngineScores]:
    reference: dict[str, NDArray[np.int64]] = {}
    allowed = candidates(EngineSettings(), quantized=True)
    for trial in measure(allowed, work):
        engine = build(Candidate(trial.engine, trial.precision), work)
        judge = judge_with(engine, bundle.head, work.images)
        found = _labels(judge, bundle.manifest.trust, one_by_one(engine, held_out.images))
        reference = reference or found
        known = held_out.truth >= 0
        yield EngineScores(
            trial,
            {m: float((labels == reference[m]).mean()) for m, labels in found.items()},
            {m: float((labels == held_out.truth)[known].mean()) for m, labels in found.items()},
        )


def _labels(
    judge: Judge, usual: TrustSettings | None, features: dict[Modality, Tensor]
) -> dict[str, NDArray[np.int64]]:
    """Give the label of each frame by mode, as it would be published: −1 is ``unknown``."""
    labels = {}
    for mode, names in modes_of(map(str, features)).items():
        with torch.inference_mode():
            judged = judge({name: features[Modality(name)] for name in names})
        labels[mode] = judged.probabilities.argmax(1).numpy()
        if usual is not None and judged.novelty is not None:
            strange = judged.novelty.numpy() > usual.novelty[mode]
            labels[mode] = np.where(strange, _STRANGE, labels[mode])
    return labels


def _why_not(scores: list[EngineScores], held_out: Labelled) -> str | None:
    """Say what is wrong with the last engine, int8, beside the first, the reference; if it is."""
    reference, small = scores[0], scores[-1]
    if small.trial.precision != 'int8':
        return 'it does not run on this machine'
    frames, labelled = len(held_out.truth), int((held_out.truth >= 0).sum())
    changed = {mode: round((1 - same) * frames) for mode, same in small.agreement.items()}
    lost = {
        mode: round((reference.accuracy[mode] - right) * labelled)
        for mode, right in small.accuracy.items()
    }
    for counts, of, what in ((changed, frames, 'labels differ'), (lost, labelled, 'are lost')):
        worst = max(counts, key=counts.__getitem__)
        if counts[worst] > (most := _allowed(of)):
            return f'in mode {worst} {counts[worst]} of {of} {what}, and {most} may'
    return None


def _allowed(frames: int) -> int:
    return max(1, int(ALLOWED * frames))


def _put_in(
    bundle: Bundle, networks: dict[Modality, Path], frames: Path, scores: EngineScores
) -> None:
    known = bundle.manifest.model_dump(mode='json', exclude={'files', 'backbone_files'})
    quantized = {
        'networks': {str(modality): file.name for modality, file in networks.items()},
        'error': round(scores.trial.error, 4),
        'agreement': scores.agreement,
        'accuracy': scores.accuracy,
    }
    files = sorted({*networks.values(), *(f.with_suffix('.bin') for f in networks.values())})
    manifest = {**known, 'quantized': quantized}
    save_bundle(bundle.path, bundle.head, manifest, bundle.backbone_weights, [*files, frames])
