# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Ways to compute the same features, of which the fastest on this machine is taken.

The reference is torch in float32, with which every bundle was trained. The others compute in fewer
bits or through OpenVINO, and are taken only where their features are near enough to its own. What
is made of the features, the head, an engine may compute as well.
"""

from mm_perception.engines.candidates import (
    REFERENCE,
    Candidate,
    EngineSettings,
    Workload,
    build,
    candidates,
    made_pictures,
    processors,
)
from mm_perception.engines.choosing import (
    choose,
    judge_with,
    measure,
    one_by_one,
    relative_error,
)
from mm_perception.engines.engine import Engine, Images, Precision, Wanted, always
from mm_perception.engines.graph_engine import GraphEngine
from mm_perception.engines.record import Trial
from mm_perception.engines.torch_engine import TorchEngine

__all__ = [
    'REFERENCE',
    'Candidate',
    'Engine',
    'EngineSettings',
    'GraphEngine',
    'Images',
    'Precision',
    'TorchEngine',
    'Trial',
    'Wanted',
    'Workload',
    'always',
    'build',
    'candidates',
    'choose',
    'judge_with',
    'made_pictures',
    'measure',
    'one_by_one',
    'processors',
    'relative_error',
]
