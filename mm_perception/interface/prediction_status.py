# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Everything about the labels of one observation, as plain data: what ``~/prediction`` says."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from mm_perception.interface.diagnostics import Level, Status
from mm_perception.observation import Prediction
from mm_perception.regions import Region, RegionSettings, find_region

if TYPE_CHECKING:
    from mm_perception.objects.finding import LabelledObject
    from mm_perception.serving.labelled import Labelled


def prediction_statuses(labelled: Labelled) -> list[Status]:
    """Describe the label; where objects are sought, each of them, the main one first.

    It is a warning where a sensor is missing.
    """
    if labelled.objects is not None:
        return [_object_status(labelled, each) for each in labelled.objects]
    if labelled.prediction is not None:
        return [_prediction_status(labelled, labelled.prediction)]
    return []


def _object_status(labelled: Labelled, each: LabelledObject) -> Status:
    status = _prediction_status(labelled, each.prediction)
    where = {
        'id': str(each.seen.id),
        'box': ' '.join(map(str, pixels_of(labelled, each))),
        'carried': str(each.seen.carried).lower(),
    }
    return replace(status, subject=f'object {each.seen.id}', values={**where, **status.values})


def pixels_of(labelled: Labelled, each: LabelledObject) -> Region:
    """Give the box in pixels of the colour image, of depth's if there is no other."""
    return find_region(RegionSettings(), labelled.picture, each.seen.box)


def _prediction_status(labelled: Labelled, prediction: Prediction) -> Status:
    used = [f for f in labelled.used if prediction.mode in ('rgbd', str(f.modality))]
    values = {
        'label': prediction.label,
        'mode': prediction.mode,
        'confidence': f'{prediction.confidence:.4f}',
        **_measured(novelty=prediction.novelty, contradiction=prediction.contradiction),
        **{f'{frame.modality}_stamp': str(frame.stamp) for frame in used},
        'latency_ms': f'{labelled.latency:.2f}',
        'inference_ms': f'{labelled.inference:.2f}',
        **{f'{stage}_ms': f'{ms:.2f}' for stage, ms in prediction.took.items()},
        **{f'score/{name}': f'{p:.6f}' for name, p in prediction.probabilities.items()},
    }
    level = Level.OK if prediction.mode == 'rgbd' else Level.WARN
    return Status('prediction', level, prediction.label, values)


def _measured(**figures: float | None) -> dict[str, str]:
    return {name: f'{value:.3f}' for name, value in figures.items() if value is not None}
