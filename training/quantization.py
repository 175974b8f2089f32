# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Post-training quantization of backbones to int8, by NNCF, for OpenVINO on the robot."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mm_perception.engines import Images
from mm_perception.engines.folding import folded
from mm_perception.engines.openvino_engine import convert, import_openvino
from mm_perception.features import Backbone
from mm_perception.observation import Modality


def quantize(
    backbones: Mapping[Modality, Backbone], frames: Images, folder: Path
) -> dict[Modality, Path]:
    """Write each modality's network in int8; modalities of one backbone share one network.

    Weights are quantized by channel and activations by layer, with the ranges that they have on the
    frames, and biases corrected for what that shifts (NNCF's defaults).

    Args:
        backbones: On the CPU.
        frames: [N, size, size, 3] uint8 by modality, such as the networks were trained on.
        folder: Takes ``int8_*.xml`` and ``int8_*.bin``.

    Returns:
        The .xml of each modality.

    """
    openvino = import_openvino()
    import nncf  # noqa: PLC0415 - takes seconds, which no other command should wait for

    written: dict[int, Path] = {}
    for modality, backbone in backbones.items():
        if id(backbone) in written:
            continue
        shown = [frames[m] for m, other in backbones.items() if other is backbone]
        images: list[Any] = [image[None] for image in np.concatenate(shown)]
        size = images[0].shape[1]
        model = convert(folded(backbone, size), size)
        small = nncf.quantize(model, nncf.Dataset(images), subset_size=len(images))
        written[id(backbone)] = folder / f'int8_{modality}.xml'
        openvino.save_model(small, written[id(backbone)], compress_to_fp16=False)
    return {modality: written[id(backbone)] for modality, backbone in backbones.items()}
