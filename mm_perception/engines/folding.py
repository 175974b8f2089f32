# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The pooling before a network's first linear layer, taken into that layer's weights.

VGG16 pools to 7 × 7 whatever it is shown. Of an image of 148 pixels its convolutions leave 4 × 4,
which are repeated to fill that: fc1 reads 25,088 values of which 8,192 are different. Pooling is a
matrix P, so that W (P v) = (W P) v, and W P is a third of the size: exact, but for rounding. A CPU
spends more time on reading fc1's weights from memory than on computing with them.
"""

from __future__ import annotations

import torch
from torch import Tensor, fx, nn
from torch.nn import functional

from mm_perception.features import Backbone


def folded(backbone: Backbone, size: int) -> Backbone:
    """Copy a backbone for images of size × size pixels; itself where there is nothing to gain."""
    if (found := _pooling_and_linear(backbone.network)) is None:
        return backbone
    pooling, linear = found
    height, width = _map_size(backbone, pooling, size)
    matrix = _pooling_matrix(pooling, height, width).to(backbone.device)
    if height * width >= len(matrix):
        return backbone
    kept, pooling.output_size = pooling.output_size, (height, width)  # which leaves it as it is
    weight, linear.weight = linear.weight, nn.Parameter(torch.empty(0), requires_grad=False)
    try:
        copy = backbone.copy()  # without the weights that it has no use for
    finally:
        pooling.output_size, linear.weight = kept, weight
    found_again = _pooling_and_linear(copy.network)
    assert found_again is not None  # in a copy  # noqa: S101
    same, smaller = found_again
    names = {id(module): name for name, module in copy.network.named_modules()}
    copy.network.set_submodule(names[id(same)], nn.Identity())
    by_place = torch.unflatten(weight, 1, (-1, len(matrix)))  # [D, C, places pooled]
    smaller.weight = nn.Parameter((by_place @ matrix).flatten(1), requires_grad=False)
    smaller.in_features = smaller.weight.shape[1]
    return copy


def _pooling_and_linear(network: nn.Module) -> tuple[nn.AdaptiveAvgPool2d, nn.Linear] | None:
    """Find the layers, where what the one gives goes to the other, flattened, and nowhere else."""
    if not isinstance(network, fx.GraphModule):
        return None
    for node in network.graph.nodes:
        pooling = _module(network, node)
        if not isinstance(pooling, nn.AdaptiveAvgPool2d):
            continue
        after = _only_user(node)
        if after is None or after.target is not torch.flatten:
            return None
        after = _only_user(after)
        while isinstance(_module(network, after), nn.Dropout):  # which does nothing in ``eval``
            after = after and _only_user(after)
        linear = _module(network, after)
        return (pooling, linear) if isinstance(linear, nn.Linear) else None
    return None


def _module(network: fx.GraphModule, node: fx.Node | None) -> nn.Module | None:
    is_module = node is not None and node.op == 'call_module'
    return network.get_submodule(str(node.target)) if node and is_module else None


def _only_user(node: fx.Node) -> fx.Node | None:
    users = list(node.users)
    return users[0] if len(users) == 1 else None


def _map_size(backbone: Backbone, pooling: nn.Module, size: int) -> tuple[int, int]:
    """Give height and width of what the pooling is given."""
    seen: list[torch.Size] = []
    hook = pooling.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].shape))
    try:
        with torch.inference_mode():
            backbone(torch.zeros(1, size, size, 3, dtype=torch.uint8, device=backbone.device))
    finally:
        hook.remove()
    return int(seen[0][-2]), int(seen[0][-1])


def _pooling_matrix(pooling: nn.AdaptiveAvgPool2d, height: int, width: int) -> Tensor:
    """[places after it, places before it]: what each place before gives to each one after."""
    places = torch.eye(height * width).view(-1, 1, height, width)
    return functional.adaptive_avg_pool2d(places, pooling.output_size).flatten(1).T.contiguous()
