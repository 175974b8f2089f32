# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Let one modality's backbone teach another's, on pairs that nobody labelled.

ImageNet is made of colour pictures: the backbone that depth is given knows nothing of depth. Inoue
(*Multimodal pre-training*, final report of a JST ACT-X project, 2022, theme C; ICASSP 2021) carried
what a network knows of faces over to one that hears voices, by videos without labels. So here: of
each moment RGB's features are known, and depth's backbone learns to give what is more similar to
them than to those of other moments (``contrastive.py``).

The teacher is frozen; its features are measured from their mean over all pairs, and so, by a linear
layer that is thrown away afterwards, are the student's. That layer begins by changing nothing else,
where both have as many features. All layers stay in ``eval`` mode, as in ``finetune.py``, and what
the student has learned becomes a weights file in the same way.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from mm_perception.errors import SettingsError, TrainingError
from mm_perception.features import (
    Backbone,
    BackboneSettings,
    dimension,
    load_backbone,
    sha256_of,
)
from mm_perception.models import Objective
from training.backbones.contrastive import affinity_of_moments, contrastive_loss
from training.backbones.files import Learned, LearnedFile
from training.backbones.layers import freeze, share
from training.fitting.climb import UNLABELLED, Items, Run, climb
from training.fitting.precision import in_bfloat16
from training.recipe import Optimisation, Teaching

_CHUNK = 64


@dataclass(frozen=True)
class Pairs:
    """What a student learns from: moments that both modalities saw.

    Attributes:
        images: [N, S, S, 3] uint8, red first: the student's input.
        features: [N, D], the teacher's.
        recordings: [N] long: which recording each moment is of.
        times: [N] long, ns.
        anew: Gives a row's image [S, S, 3] as it might have been; None: there is no other.

    """

    images: NDArray[np.uint8]
    features: Tensor
    recordings: Tensor
    times: Tensor
    anew: Callable[[int], NDArray[np.uint8]] | None = None

    def __len__(self) -> int:
        """Count the pairs."""
        return len(self.features)

    def fingerprint(self) -> str:
        """Identify the data."""
        digest = hashlib.sha256(repr((self.images.shape, self.features.shape)).encode())
        for tensor in (self.features, self.recordings, self.times):
            digest.update(tensor.contiguous().numpy().tobytes())
        digest.update(self.images.tobytes())
        return digest.hexdigest()


@dataclass(frozen=True)
class Taught(Learned):
    """A backbone that was taught.

    Attributes:
        recognised: The share of its pairs of which the teacher's most similar features are of the
            same recording.

    """

    recognised: float


class _Student(nn.Module):
    """Backbone and a linear layer, beside the teacher's features."""

    def __init__(
        self, backbone: Backbone, features: tuple[int, int], how: Teaching, *, half: bool
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.linear = nn.Linear(*features)
        if features[0] == features[1]:
            nn.init.eye_(self.linear.weight)
        self.how, self.half_precision = how, half

    def measure_from_the_mean(self, images: Tensor) -> None:
        """Begin with similarities that are not those of the mean with itself."""
        with torch.inference_mode():
            chunks = torch.split(images, _CHUNK)
            mean = torch.cat([self.backbone(chunk) for chunk in chunks]).mean(0)
        with torch.no_grad():
            self.linear.bias.copy_(-self.linear.weight @ mean)

    def forward(self, images: Tensor) -> Tensor:
        """Give directions [B, D] of [B, S, S, 3] uint8."""
        with torch.autocast(images.device.type, torch.bfloat16, enabled=self.half_precision):
            features = self.backbone(images)
        return functional.normalize(self.linear(features), dim=-1)

    def objective(
        self, _labelled: Mapping[str, Tensor], _y: Tensor, pairs: Mapping[str, Tensor]
    ) -> Objective:
        """Value pairs: the student's moments against the teacher's, and the other way round."""
        similarity = self(pairs['images']) @ pairs['directions'].T
        affinity = affinity_of_moments(pairs['recordings'], pairs['times'], self.how.neighbours)
        loss = 0.5 * sum(
            (contrastive_loss(s, affinity, self.how.temperature, self.how.margin)
             for s in (similarity, similarity.T)),
            start=similarity.new_zeros(()),
        )  # fmt: skip
        terms = {'contrastive': loss.detach(), 'similarity': similarity.detach().diagonal().mean()}
        return Objective(loss, terms)


def teach(
    spec: BackboneSettings,
    weights: Path | None,
    pairs: Pairs,
    how: Teaching,
    run: Run,
    folder: Path,
) -> Taught:
    """Teach a copy of a backbone; where the folder has the same one already, take that.

    A run that was stopped goes on from the checkpoint that it left in the folder.

    Args:
        spec: The student's backbone; its weights have to be trained ones.
        weights: Their file; None takes ImageNet's from the torch cache.
        pairs: What to learn from: more than one recording, unless moments of one are told apart.
        how: How.
        run: Where, and whom to tell: progress with the terms ``contrastive`` and ``similarity`` of
            each step's pairs. Its ``checkpoint`` and ``resume`` are not asked.
        folder: Where the file is put, named by all that it depends on.

    Raises:
        SettingsError: The backbone is to have random weights, or is unknown.
        TrainingError: The pairs do not suffice, or the file cannot be written.
        WeightsError: The weights are missing or do not fit.
        StoppedError: ``run.stopping`` said so.

    """
    _check(spec, pairs, how)
    file = LearnedFile.of(spec, weights, pairs.fingerprint(), how, folder)
    if (kept := file.kept(spec)) is not None:
        return Taught(file.path, sha256_of(file.path), reused=True, recognised=kept['recognised'])
    backbone = load_backbone(spec, file.source)
    torch.manual_seed(how.seed)
    widths = dimension(backbone, pairs.images.shape[1]), pairs.features.shape[1]
    student = _Student(backbone, widths, how, half=in_bfloat16(how.precision, run.device))
    student.to(run.device).requires_grad_(True)
    freeze(backbone, share(how.trainable, len(pairs)))
    given = {
        'images': torch.from_numpy(pairs.images),
        'directions': functional.normalize(pairs.features - pairs.features.mean(0), dim=-1),
        'recordings': pairs.recordings,
        'times': pairs.times,
    }
    given = {name: values.to(run.device) for name, values in given.items()}
    student.measure_from_the_mean(given['images'])
    climb(
        Items(
            lambda rows: _drawn(given, rows, pairs.anew if how.augment else None),
            torch.full((len(pairs),), UNLABELLED),
        ),
        student,
        student,
        Optimisation(
            epochs=how.epochs,
            batch_size=how.batch_size,
            learning_rate=how.learning_rate,
            schedule='cosine',
        ),
        replace(run, checkpoint=file.checkpoint, resume=True),
        seed=how.seed,
        identity=file.identity,
    )
    recognised = _recognised(student, given)
    made_of = {'teaching': how.model_dump(mode='json'), 'from': file.source_sha256}
    file.write(backbone.cpu(), {'recognised': recognised, **made_of})
    return Taught(file.path, sha256_of(file.path), reused=False, recognised=recognised)


def _check(spec: BackboneSettings, pairs: Pairs, how: Teaching) -> None:
    if spec.weights == 'random':
        raise SettingsError(
            f'backbone {spec.name}: random weights have nothing to teach, nor to build on; give '
            'imagenet or a weights file'
        )
    if len(pairs) < 2:  # noqa: PLR2004 - one pair has no other to be told from
        raise TrainingError(f'teaching: {len(pairs)} pairs of RGB and depth; give more recordings')
    first = pairs.recordings[0]
    if (pairs.recordings != first).any():
        return
    seconds = float(pairs.times.max() - pairs.times.min()) / 1e9
    if how.neighbours is None:
        raise TrainingError(
            'teaching: all pairs are of one recording; give others, or in teaching.neighbours the '
            'seconds after which it shows something else'
        )
    if seconds <= how.neighbours:
        raise TrainingError(
            f'teaching: all pairs are of one recording of {seconds:g} s, and teaching.neighbours '
            f'= {how.neighbours:g} tells none from another; give a smaller one, or other recordings'
        )


def _drawn(
    given: Mapping[str, Tensor], rows: Tensor, anew: Callable[[int], NDArray[np.uint8]] | None
) -> dict[str, Tensor]:
    """Give some pairs: another view of each where there is one."""
    drawn = {name: values[rows] for name, values in given.items()}
    if anew is not None and len(rows):
        images = torch.from_numpy(np.stack([anew(row) for row in rows.tolist()]))
        drawn['images'] = images.to(drawn['images'])
    return drawn


def _recognised(student: _Student, given: Mapping[str, Tensor]) -> float:
    student.eval()
    with torch.inference_mode():
        nearest = torch.cat(
            [
                (student(images) @ given['directions'].T).argmax(-1)
                for images in torch.split(given['images'], _CHUNK)
            ]
        )
    return float((given['recordings'][nearest] == given['recordings']).float().mean())
