# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Post-training quantization of backbones to int8, by NNCF, for OpenVINO on the robot."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from mm_perception.engines import Images
from mm_perception.engines.folding import folded
from mm_perception.engines.openvino_engine import convert, import_openvino
from mm_perception.features import Backbone
from mm_perception.observation import Modality


def quantize(
    backbones: Mapping[Modality, Backbone], frames: Images, folder: Path
) -> dict[Modality, Path]:
    """Write each modality's network in int8.

    Weights are quantized by channel, activations by layer, each modality's with the greatest range
    that they have on its own frames. Ranges that leave outliers out, or that both modalities share,
    were worse on every set tried; biases are corrected for what rounding shifts.

    Args:
        backbones: On the CPU.
        frames: [N, size, size, 3] uint8 by modality, such as the networks were trained on.
        folder: Takes ``int8_*.xml`` and ``int8_*.bin``.

    Returns:
        The .xml of each modality.

    """
    openvino = import_openvino()
    import nncf  # noqa: PLC0415 - takes seconds, which no other command should wait for
    from nncf.quantization import range_estimator  # noqa: PLC0415

    greatest = nncf.AdvancedQuantizationParameters(
        activations_range_estimator_params=range_estimator.RangeEstimatorParametersSet.MINMAX
    )
    written = {}
    for modality, backbone in backbones.items():
        images = [image[None] for image in frames[modality]]
        size = images[0].shape[1]
        small = nncf.quantize(
            convert(folded(backbone, size), size),
            nncf.Dataset(images),
            subset_size=len(images),
            preset=nncf.QuantizationPreset.MIXED,
            fast_bias_correction=False,
            advanced_parameters=greatest,
        )
        written[modality] = folder / f'int8_{modality}.xml'
        openvino.save_model(small, written[modality], compress_to_fp16=False)
    return written
