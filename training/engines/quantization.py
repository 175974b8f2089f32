# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Post-training quantization of backbones to int8, by NNCF, for OpenVINO on the robot."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mm_perception.engines import Images, TorchEngine, one_by_one
from mm_perception.engines.folding import folded
from mm_perception.engines.openvino_engine import convert
from mm_perception.engines.openvino_runtime import import_openvino
from mm_perception.features import Backbone
from mm_perception.observation import Modality

_RANKED_BY = 32
"""Frames that tell which layers hurt the most: as many networks are tried on them."""

_Told = tuple[NDArray[np.uint8], NDArray[np.float32]]


def quantize(
    backbones: Mapping[Modality, Backbone],
    frames: Images,
    folder: Path,
    within: float | None = None,
) -> dict[Modality, Path]:
    """Write each modality's network in int8.

    Weights are quantized by channel, activations by layer, each modality's with the greatest range
    that they have on its own frames. Ranges that leave outliers out, or that both modalities share,
    were worse on every set tried; biases are corrected for what rounding shifts.

    Args:
        backbones: On the CPU.
        frames: [N, size, size, 3] uint8 by modality, such as the networks were trained on.
        folder: Takes ``int8_*.xml`` and ``int8_*.bin``.
        within: The relative error of a frame's features, in the mean, that all of int8's layers
            together may make: those that hurt the most on these frames stay as they are. None:
            all are quantized.

    Returns:
        The .xml of each modality.

    """
    openvino = import_openvino()
    import nncf  # noqa: PLC0415 - takes seconds, which no other command should wait for
    from nncf.quantization import advanced_parameters, range_estimator  # noqa: PLC0415

    nncf.set_log_level(logging.WARNING)
    greatest = nncf.AdvancedQuantizationParameters(
        activations_range_estimator_params=range_estimator.RangeEstimatorParametersSet.MINMAX
    )
    ranking = advanced_parameters.AdvancedAccuracyRestorerParameters(ranking_subset_size=_RANKED_BY)
    expected = {} if within is None else one_by_one(TorchEngine(backbones), frames)
    written = {}
    for modality, backbone in backbones.items():
        images = [image[None] for image in frames[modality]]
        size = images[0].shape[1]
        network, shown = convert(folded(backbone, size), size), nncf.Dataset(images)
        usual: dict[str, Any] = {
            'subset_size': len(images),
            'preset': nncf.QuantizationPreset.MIXED,
            'fast_bias_correction': False,
        }
        if within is None:
            small = nncf.quantize(network, shown, advanced_parameters=greatest, **usual)
        else:
            told = list(zip(images, expected[modality].numpy(), strict=True))
            small = nncf.quantize_with_accuracy_control(
                network,
                shown,
                nncf.Dataset(told),
                _nearness,
                max_drop=within,
                advanced_quantization_parameters=greatest,
                advanced_accuracy_restorer_parameters=ranking,
                **usual,
            )
        written[modality] = folder / f'int8_{modality}.xml'
        openvino.save_model(small, written[modality], compress_to_fp16=False)
    return written


def _nearness(network: Any, told: Iterable[_Told]) -> tuple[float, list[float]]:
    """How near a network's features are to the reference's: 1 - ‖f - f_ref‖ / ‖f_ref‖ by frame."""
    norm = np.linalg.norm
    near = [
        1 - float(norm(network(image)[0][0] - expected) / norm(expected))
        for image, expected in told
    ]
    return float(np.mean(near)), near
