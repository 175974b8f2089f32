# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What is usual of a trained model's answers, and how well the unusual is noticed.

Training frames show what the classes look like in a; held-out frames, which the model has not
learned by heart, show how far from that a known object may look. Frames of classes that were not
trained, and pairs whose RGB and depth are of different objects, then tell what the thresholds are
worth.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mm_perception.head import Head
from mm_perception.models import SSHMVAEKL
from mm_perception.trust import Trust, TrustSettings, modes_of
from training.features.dataset import Dataset
from training.fitting.climb import UNLABELLED
from training.fitting.fit import TrainingData
from training.fitting.joined import Features
from training.recipe import Rates

_CHUNK = 1024
_LEAST = 1e-6  # a threshold must not be 0, which a model that always answers the same would give

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Evidence:
    """How unusual frames that were held out of training look.

    Attributes:
        known: [N] novelty by mode, of frames of the classes that were trained.
        recordings: [N] the recording that each of them is of.
        unknown: [M] novelty by mode, of frames of other classes; M may be 0.
        agreeing: [N] contradiction of the known frames' pairs; empty with one modality.
        crossed: Contradiction of pairs made of the RGB of one of them and the depth of one of
            another class; empty where there is none.

    """

    known: Mapping[str, Array]
    recordings: Sequence[str]
    unknown: Mapping[str, Array]
    agreeing: Array
    crossed: Array

    def thresholds(self, rates: Rates) -> TrustSettings:
        """Choose the thresholds that these frames exceed at the rates asked for."""
        return TrustSettings(
            false_rejection=rates.false_rejection,
            novelty={m: _threshold(d, rates.false_rejection) for m, d in self.known.items()},
            false_alarm=rates.false_alarm,
            contradiction=_threshold(self.agreeing, rates.false_alarm)
            if len(self.agreeing)
            else None,
        )

    def false_rejection(self, mode: str, rate: float) -> float | None:
        """Share of known frames that thresholds from other recordings would reject.

        Each half of the recordings is judged by the threshold that the other half gives; None
        where there is but one recording.
        """
        names = sorted(set(self.recordings))
        if len(names) < 2:  # noqa: PLR2004 - two halves
            return None
        distances = self.known[mode]
        first = np.isin(np.asarray(self.recordings, dtype=object), names[::2])
        rejected = 0
        for half in (first, ~first):
            rejected += int((distances[half] > _threshold(distances[~half], rate)).sum())
        return rejected / len(distances)


@dataclass(frozen=True, eq=False)
class Findings:
    """When an object is unknown and the eyes disagree, and what that is worth.

    Attributes:
        settings: The thresholds.
        evidence: Held-out frames.

    """

    settings: TrustSettings
    evidence: Evidence


def learn_trust(
    head: Head, data: TrainingData, held_out: Dataset, rates: Rates, device: torch.device
) -> Findings | None:
    """Learn what is usual: the classes from training frames, the thresholds from held-out ones.

    Args:
        head: A trained model; gets its ``trust``, if it is an SS-HMVAE-kl: others have no q(a|·)
            of single modalities that could be compared.
        data: What it was trained with.
        held_out: What it was not trained with.
        rates: How often the thresholds may be wrong.
        device: Where to compute.

    """
    if not isinstance(head.model, SSHMVAEKL):
        return None
    learn_classes(head, data, device)
    evidence = gather(head, held_out, data.classes, device)
    return Findings(evidence.thresholds(rates), evidence)


def learn_classes(head: Head, data: TrainingData, device: torch.device) -> None:
    """Learn what the classes look like in a; frames without a label count as what they look like.

    Args:
        head: A trained SS-HMVAE-kl; gets its ``trust``.
        data: What it was trained with.
        device: Where to compute.

    """
    head.to(device).eval()
    head.trust = Trust(head.model.settings).to(device)
    for mode, names in modes_of(data.features).items():
        means, said = posterior_means(head, _only(data.features, names), device)
        labels = torch.where(data.labels == UNLABELLED, said, data.labels)
        head.trust.fit(mode, means, labels.to(device))
    head.cpu().requires_grad_(False)


def gather(head: Head, held_out: Dataset, classes: Sequence[str], device: torch.device) -> Evidence:
    """Judge frames that were held out of training.

    Args:
        head: A model with its ``trust``.
        held_out: Frames; those with a label that is not among the classes are unknown to it.
        classes: The classes that it was trained for.
        device: Where to compute.

    """
    data = held_out.training_data(classes)
    trained = data.labels != UNLABELLED
    labelled = torch.tensor([label is not None for each in held_out.labels for label in each])
    known = {name: values[trained] for name, values in data.features.items()}
    unknown = {name: values[labelled & ~trained] for name, values in data.features.items()}
    recordings = [name for (name, _), one in zip(held_out.places(), trained, strict=True) if one]
    head.to(device).eval()
    modes = modes_of(known)
    judged = {m: _judge(head, _only(known, names), device) for m, names in modes.items()}
    together = next(iter(judged.values()))
    evidence = Evidence(
        known={mode: novelty for mode, (novelty, _) in judged.items()},
        recordings=recordings,
        unknown={m: _judge(head, _only(unknown, names), device)[0] for m, names in modes.items()},
        agreeing=together[1],
        crossed=_judge(head, _crossed(known, data.labels[trained]), device)[1],
    )
    head.cpu()
    return evidence


def auroc(known: Array, unknown: Array) -> float | None:
    """Give the chance that an unknown frame looks more unusual than a known one; ties count half.

    It is the area under the curve of the rejected unknown over the rejected known frames; None
    where there are none of either.
    """
    if not len(known) or not len(unknown):
        return None
    ordered = np.sort(known)
    below = np.searchsorted(ordered, unknown, 'left') + np.searchsorted(ordered, unknown, 'right')
    return float(below.mean() / 2 / len(known))


def share_over(values: Array, threshold: float) -> float | None:
    """Give the share of values over a threshold; None of nothing."""
    return float((values > threshold).mean()) if len(values) else None


def _threshold(values: Array, rate: float) -> float:
    return max(float(np.quantile(values, 1 - rate, method='inverted_cdf')), _LEAST)


def _crossed(known: Mapping[str, Tensor], labels: Tensor) -> dict[str, Tensor]:
    """Pair each frame's first modality with the others of some frame of another class."""
    generator = torch.Generator().manual_seed(0)
    partners = torch.randperm(len(labels), generator=generator)
    differ = labels != labels[partners]
    first, *others = known
    crossed = {first: known[first][differ]}
    return crossed | {name: known[name][partners][differ] for name in others}


def posterior_means(
    head: Head, features: Mapping[str, Features], device: torch.device
) -> tuple[Tensor, Tensor]:
    """Give the means of q(a|·), [N, A] on the device, and the most probable classes, [N]."""
    assert isinstance(head.model, SSHMVAEKL)  # the caller's promise  # noqa: S101
    means, said = [], []
    with torch.no_grad():
        for part in _chunks(features, device):
            q_a = head.model.posterior(head.scaling(part))
            means.append(q_a.mean)
            said.append(head.model.classify(q_a).argmax(-1).cpu())
    return torch.cat(means), torch.cat(said)


def _judge(
    head: Head, features: Mapping[str, Features], device: torch.device
) -> tuple[Array, Array]:
    """Give novelty and contradiction, [N]; the latter is empty of one modality."""
    found: tuple[list[Array], list[Array]] = ([np.empty(0)], [np.empty(0)])
    with torch.no_grad():
        for part in _chunks(features, device):
            judgement = head(part)
            measured = judgement.novelty, judgement.contradiction
            for values, parts in zip(measured, found, strict=True):
                if values is not None:
                    parts.append(values.double().cpu().numpy())
    return np.concatenate(found[0]), np.concatenate(found[1])


def _only(features: Mapping[str, Features], names: Sequence[str]) -> dict[str, Features]:
    return {name: features[name] for name in names}


def _chunks(features: Mapping[str, Features], device: torch.device) -> Iterator[dict[str, Tensor]]:
    for start in range(0, len(next(iter(features.values()))), _CHUNK):
        yield {n: values[start : start + _CHUNK].to(device) for n, values in features.items()}
