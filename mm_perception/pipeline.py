# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The one path from an observation to features, the same on the robot and in training.

Its settings lie in the bundle, so that a robot cannot run a model with another path than its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch import Tensor

from mm_perception.engines import Engine, TorchEngine, Wanted, always
from mm_perception.errors import ImageError
from mm_perception.features import Backbone, BackboneSettings, dimension, load_backbone
from mm_perception.objects.boxes import Box
from mm_perception.objects.finding import ObjectFinder
from mm_perception.observation import Modality, Observation
from mm_perception.preprocessing import (
    PreprocessingSettings,
    depth_input,
    refuse_unknown,
    rgb_input,
)
from mm_perception.regions import RegionSettings, crop, find_region

if TYPE_CHECKING:
    from typing_extensions import Self

Image = NDArray[np.uint8]


Making = Callable[[Modality, NDArray[Any], PreprocessingSettings], NDArray[Any]]


def picture(modality: Modality, crop: NDArray[Any], settings: PreprocessingSettings) -> Image:
    """Turn a crop into the network's input; see ``preprocessing``."""
    to_input = rgb_input if modality is Modality.RGB else depth_input
    return to_input(crop, settings)


class PipelineSettings(BaseModel):
    """Everything between an observation and its features."""

    model_config = ConfigDict(frozen=True, extra='forbid')

    region: RegionSettings = Field(
        default_factory=RegionSettings, description='Where in the frame the object is.'
    )
    preprocessing: PreprocessingSettings = Field(
        default_factory=PreprocessingSettings, description='From the region to the network.'
    )
    backbones: dict[Modality, BackboneSettings] = Field(
        default_factory=lambda: {m: BackboneSettings() for m in Modality},
        min_length=1,
        description='The network of each modality; equal ones share their memory.',
    )

    @model_validator(mode='after')
    def _sees_the_table(self) -> Self:
        if self.region.kind == 'tabletop' and Modality.DEPTH not in self.backbones:
            raise ValueError("region.kind 'tabletop' finds objects in depth: add its backbone")
        return self

    @property
    def modalities(self) -> tuple[Modality, ...]:
        """The modalities that the pipeline takes, the preferred one first."""
        return tuple(self.backbones)


class Pipeline:
    """Prepares observations and computes their features on a device.

    Attributes:
        backbones: By modality; none once another engine computes in their place.
        engine: What computes.

    """

    def __init__(
        self, settings: PipelineSettings, weights: Mapping[Modality, Path] | None = None
    ) -> None:
        """Build the backbones on the CPU.

        Args:
            settings: The path.
            weights: Weights files, where the settings ask for some.

        Raises:
            SettingsError, WeightsError: See ``load_backbone``.

        """
        self.settings = settings
        self.device = torch.device('cpu')
        weights = weights or {}
        built: dict[tuple[BackboneSettings, Path | None], Backbone] = {}
        self.backbones: dict[Modality, Backbone] = {}
        for modality, spec in settings.backbones.items():
            key = spec, weights.get(modality)
            if key not in built:
                built[key] = load_backbone(*key)
            self.backbones[modality] = built[key]
        self.engine: Engine = TorchEngine(self.backbones)

    @property
    def pinned(self) -> PipelineSettings:
        """The settings with the fingerprints of the weights that are in use."""
        backbones = {
            modality: spec.model_copy(update={'sha256': self.backbones[modality].sha256})
            for modality, spec in self.settings.backbones.items()
        }
        return self.settings.model_copy(update={'backbones': backbones})

    @property
    def dimensions(self) -> dict[Modality, int]:
        """How many features each modality has."""
        size = self.settings.preprocessing.size
        return {modality: dimension(network, size) for modality, network in self.backbones.items()}

    def to(self, device: torch.device) -> None:
        """Move the backbones to a device, and compute with them there."""
        for network in self.backbones.values():
            network.to(device)
        self.device, self.engine = device, TorchEngine(self.backbones)

    def compute_with(self, engine: Engine) -> None:
        """Compute with another engine, where it is, and let go of the backbones."""
        self.engine, self.backbones = engine, {}

    def prepare(self, observation: Observation, box: Box | None = None) -> dict[Modality, Image]:
        """Turn an observation's frames into the networks' input.

        Args:
            observation: What was seen.
            box: Where the object is. None: where the settings say; of the objects on a table, the
                one nearest to the middle of this picture.

        Returns:
            For each modality that shows something, size × size × 3 uint8. A modality whose region
            shows nothing (no valid depth in it) is left out.

        Raises:
            ImageError: No modality is left.

        """
        return prepare(observation, self.settings, box)

    def features(
        self, images: Mapping[Modality, Image], wanted: Wanted = always
    ) -> dict[Modality, Tensor]:
        """Compute features of a batch.

        Args:
            images: [N, size, size, 3] uint8 by modality, from ``prepare``.
            wanted: Whether a modality still counts; asked as often as the engine can, so that a
                sensor that is lost meanwhile delays nothing.

        Returns:
            [N, D] float32 ≥ 0 by modality, on the pipeline's device, of those still wanted.

        """
        return self.engine(images, wanted)


def prepare(
    observation: Observation,
    settings: PipelineSettings,
    box: Box | None = None,
    make: Making = picture,
) -> dict[Modality, NDArray[Any]]:
    """Do the part before the networks, for which they need not be there; see `Pipeline.prepare`.

    Args:
        observation: What was seen.
        settings: The path.
        box: Where the object is.
        make: Makes the network's input of a crop, or what another makes it of.

    """
    if box is None and settings.region.tabletop is not None:
        box = ObjectFinder(settings.region.tabletop).main(observation)
    prepared: dict[Modality, NDArray[Any]] = {}
    reasons = []
    for modality in settings.modalities:
        frame = observation.frames.get(modality)
        if frame is None:
            continue
        try:
            view = crop(frame.image, find_region(settings.region, frame, box))
            if modality is Modality.DEPTH:
                refuse_unknown(view)
            prepared[modality] = make(modality, view, settings.preprocessing)
        except ImageError as error:
            reasons.append(f'{modality}: {error}')
    if not prepared:
        raise ImageError('; '.join(reasons) or 'the observation has no frame for this model')
    return prepared
