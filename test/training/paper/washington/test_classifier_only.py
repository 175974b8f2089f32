# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch import Tensor

from training.paper.washington.classifier_only import _ClassifierOf


class Stub:
    def probabilities(self, inputs: Mapping[str, Tensor]) -> Tensor:
        return inputs['logits'].softmax(1)


@pytest.mark.parametrize('logit', [0.0, 20.0, 50.0, 80.0])
def test_what_is_surely_wrong_is_learned_from(logit: float) -> None:
    logits = torch.tensor([[logit, 0.0]], requires_grad=True)
    model: Any = Stub()
    objective = _ClassifierOf(model).objective({'logits': logits}, torch.tensor([1]), {})
    objective.loss.backward()
    wrong = torch.sigmoid(torch.tensor(logit))  # of -log softmax: q(y|x) minus one-hot y
    assert objective.loss.item() == pytest.approx(
        torch.nn.functional.softplus(torch.tensor(logit)).item(), rel=1e-5
    )
    torch.testing.assert_close(logits.grad, torch.tensor([[wrong, -wrong]]))
