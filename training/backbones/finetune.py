# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Fine-tune a backbone on labelled images, and keep it as a weights file.

Suzuki & Matsuo 2018, §4.1.2: a network trained on ImageNet, one copy a modality, learns on from the
labelled items alone (Adam, 1e-5, 200 epochs); the values of the layer that it is cut at (VGG16: fc1
after its ReLU) are the features. Here that layer's values go through dropout to a linear classifier
that is thrown away afterwards. Dropout apart, all layers stay in ``eval`` mode: batch
normalisation, which VGG16 does not have, keeps the statistics of ImageNet's million images.

``PAPER`` is that. A user's own recordings are mostly fewer and less varied: unless told otherwise
only the last layers learn, from images that are cropped and turned over anew each time, until
recordings that teach nothing are told no better.

The file holds the whole network by torchvision's names, so that it serves wherever a backbone's
weights file does; its SHA-256 is its fingerprint.
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
from training.backbones.best_epoch import BestEpoch
from training.backbones.files import Learned, LearnedFile
from training.backbones.layers import freeze, share
from training.fitting.climb import Items, Run, climb
from training.fitting.precision import in_bfloat16
from training.interrupt import StoppedError
from training.recipe import FineTuning, Optimisation

_INPUT = 'images'
_CHUNK = 64


@dataclass(frozen=True)
class LabelledImages:
    """What a backbone learns from.

    Attributes:
        images: [N, S, S, 3] uint8, red first: the network's input.
        labels: [N] long, each an index of ``classes``.
        classes: The class names.
        anew: Gives a row's image [S, S, 3] as it might have been; None: there is no other.

    """

    images: NDArray[np.uint8]
    labels: Tensor
    classes: tuple[str, ...]
    anew: Callable[[int], NDArray[np.uint8]] | None = None

    def fingerprint(self) -> str:
        """Identify the data."""
        digest = hashlib.sha256(repr((self.classes, self.images.shape)).encode())
        digest.update(self.labels.numpy().tobytes())
        digest.update(self.images.tobytes())
        return digest.hexdigest()


@dataclass(frozen=True)
class FineTuned(Learned):
    """A fine-tuned backbone.

    Attributes:
        accuracy: The share of its own training images that it classified rightly at the end.

    """

    accuracy: float


class _Classifier(nn.Module):
    """Backbone, dropout and a linear layer; learned by cross entropy."""

    def __init__(
        self, backbone: Backbone, features: int, classes: int, dropout: float, *, half: bool
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(features, classes)
        self.half_precision = half

    def forward(self, images: Tensor) -> Tensor:
        """Give the logits [B, K] of [B, S, S, 3] uint8."""
        with torch.autocast(images.device.type, torch.bfloat16, enabled=self.half_precision):
            features = self.backbone(images)
        logits: Tensor = self.linear(self.dropout(features))
        return logits

    def objective(
        self, labelled: Mapping[str, Tensor], y: Tensor, _unlabelled: Mapping[str, Tensor]
    ) -> Objective:
        """Value the labelled images, [B, S, S, 3] uint8; there are no others."""
        logits = self(labelled[_INPUT])
        loss = functional.cross_entropy(logits, y)
        right = (logits.detach().argmax(-1) == y).float().mean()
        return Objective(loss, {'cross_entropy': loss.detach(), 'accuracy': right})


def fine_tune(
    spec: BackboneSettings,
    weights: Path | None,
    labelled: LabelledImages,
    how: FineTuning,
    run: Run,
    folder: Path,
    held_out: LabelledImages | None = None,
) -> FineTuned:
    """Fine-tune a copy of a backbone; where the folder has the same one already, take that.

    A run that was stopped goes on from the checkpoint that it left in the folder.

    Args:
        spec: The backbone; its weights have to be trained ones.
        weights: Their file; None takes ImageNet's from the torch cache.
        labelled: What to learn from: at least two classes.
        how: How.
        run: Where, and whom to tell: progress with the terms ``cross_entropy`` and ``accuracy``
            of each step's images. Its ``checkpoint`` and ``resume`` are not asked.
        folder: Where the file is put, named by all that it depends on.
        held_out: What tells when to stop; of other recordings. None: all epochs are gone through.

    Raises:
        SettingsError: The backbone is to have random weights, or is unknown.
        TrainingError: The images do not suffice, or the file cannot be written.
        WeightsError: The weights are missing or do not fit.
        StoppedError: ``run.stopping`` said so.

    """
    _check(spec, labelled)
    data = [each and each.fingerprint() for each in (labelled, held_out)]
    file = LearnedFile.of(spec, weights, data, how, folder)
    if (kept := file.kept(spec)) is not None:
        return FineTuned(file.path, sha256_of(file.path), reused=True, accuracy=kept['accuracy'])
    backbone = load_backbone(spec, file.source)
    torch.manual_seed(how.seed)
    features = dimension(backbone, labelled.images.shape[1])
    half = in_bfloat16(how.precision, run.device)
    network = _Classifier(backbone, features, len(labelled.classes), how.dropout, half=half)
    network.to(run.device).requires_grad_(True)
    freeze(backbone, share(how.trainable, len(labelled.labels)))
    images = torch.from_numpy(labelled.images).to(run.device)
    patience = how.patience if held_out is not None else None
    best = BestEpoch(network, patience, lambda: _loss(network, held_out, run.device))
    try:
        climb(
            Items(lambda rows: {_INPUT: _drawn(labelled, images, rows, how)}, labelled.labels),
            network,
            best,
            Optimisation(
                epochs=how.epochs,
                labelled_batch_size=how.batch_size,
                learning_rate=how.learning_rate,
            ),
            best.watching(replace(run, checkpoint=file.checkpoint, resume=True)),
            seed=how.seed,
            identity=file.identity,
        )
    except StoppedError:
        if not best.over:
            raise
    best.take()
    accuracy = _accuracy(network.eval(), images, labelled.labels)
    file.write(backbone.cpu(), {'accuracy': accuracy})
    return FineTuned(file.path, sha256_of(file.path), reused=False, accuracy=accuracy)


def _check(spec: BackboneSettings, labelled: LabelledImages) -> None:
    if spec.weights == 'random':
        raise SettingsError(
            f'backbone {spec.name}: random weights are nothing to fine-tune; give imagenet '
            'or a weights file'
        )
    images, labels, K = labelled.images, labelled.labels, len(labelled.classes)
    if images.ndim != 4 or images.dtype != np.uint8 or len(images) != len(labels):  # noqa: PLR2004 - [N, S, S, 3]
        raise TrainingError(
            f'fine-tuning images: {images.shape} {images.dtype} with {len(labels)} labels; '
            'give [N, S, S, 3] uint8 and N labels'
        )
    if len(labels) and not 0 <= int(labels.min()) <= int(labels.max()) < K:
        raise TrainingError(f'fine-tuning labels: not all from 0 to {K - 1}, one a class')
    if (found := len(set(labels.tolist()))) < 2:  # noqa: PLR2004 - one class needs no classifier
        raise TrainingError(
            f'fine-tuning labels: {len(labels)} of {found} class; label images of at least two'
        )


def _drawn(labelled: LabelledImages, images: Tensor, rows: Tensor, how: FineTuning) -> Tensor:
    """Give the images of some rows, [B, S, S, 3]: another view of each where there is one."""
    if labelled.anew is None or not how.augment or not len(rows):
        return images[rows]
    return torch.from_numpy(np.stack([labelled.anew(row) for row in rows.tolist()])).to(images)


def _loss(network: _Classifier, held_out: LabelledImages | None, device: torch.device) -> float:
    """Give the cross entropy of images that taught nothing, with the network as it answers."""
    if held_out is None:
        return 0.0
    training = network.training
    network.eval()
    images, labels = torch.from_numpy(held_out.images), held_out.labels.to(device)
    with torch.inference_mode():
        logits = torch.cat([network(part.to(device)) for part in torch.split(images, _CHUNK)])
    network.train(training)
    return float(functional.cross_entropy(logits, labels))


def _accuracy(network: _Classifier, images: Tensor, labels: Tensor) -> float:
    with torch.inference_mode():
        found = torch.cat([network(part).argmax(-1).cpu() for part in torch.split(images, _CHUNK)])
    return float((found == labels).float().mean())
