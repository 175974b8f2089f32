# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The networks of appendix A.1: what parameterises each distribution of the models.

``Dk`` is a linear layer with k units, ``DkBR`` adds batch normalisation and ReLU, ``I-J`` is I then
J, and ``(I, J)`` joins two outputs into one. Every network of the appendix is a trunk f_MLP, which
takes one or several named inputs, under the heads of one distribution (eq. 2 and 3).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.distributions import Bernoulli, Categorical, Independent
from torch.nn import functional

from mm_perception.models.distributions import (
    VARIANCE_FLOOR,
    Gaussian,
    SquaredError,
    bernoulli,
    categorical,
    gaussian,
)
from mm_perception.models.sharing import shared, total


@dataclass(frozen=True)
class Layers:
    """How many DkBR layers a trunk has.

    Attributes:
        before: On each input by itself, before they are joined.
        after: On the joined inputs.
        dropout: Rate of a dropout layer at the end; 0 for none.
        direct: The inputs that are joined as they are, whatever ``before`` says.
        batch_norm: Whether a layer has batch normalisation: DkBR; else it is DkR.

    """

    before: int
    after: int = 0
    dropout: float = 0.0
    direct: tuple[str, ...] = ()
    batch_norm: bool = True


class Linear(nn.Linear):
    """A linear layer that gives numbers of the kind it was given.

    Under ``torch.autocast`` the product is computed in fewer bits; what follows it is sums over
    items and dimensions, logarithms and variances, which those bits do not carry.
    """

    def forward(self, inputs: Tensor) -> Tensor:
        """Map [..., D] to [..., k]."""
        return super().forward(inputs).to(inputs.dtype)


class BatchNorm(nn.BatchNorm1d):
    """Batch normalisation that takes a batch of one.

    One item has no spread: normalised by itself every unit would be 0, and torch refuses it. It is
    normalised by the running statistics instead, and leaves them as they are.

    Attributes:
        population: See ``normalised_by_the_first``; None is all rows.

    """

    population: int | None = None

    def forward(self, inputs: Tensor) -> Tensor:
        """Normalise [B, D]."""
        if self.training and shared():
            return self._by_all(inputs)
        if not self.training or (self.population is None and len(inputs) > 1):
            return super().forward(inputs)
        mean, variance = self.running_mean, self.running_var
        if self.population is not None and self.population > 1:
            variance, mean = torch.var_mean(inputs[: self.population], 0, correction=0)
        return functional.batch_norm(inputs, mean, variance, self.weight, self.bias, eps=self.eps)

    def _by_all(self, inputs: Tensor) -> Tensor:
        """Normalise by the rows of all processes that share the batch."""
        rows = inputs if self.population is None else inputs[: self.population]
        assert self.running_mean is not None  # the default, as in every layer  # noqa: S101
        about = self.running_mean.clone()  # near the mean, so that squares lose no digits
        apart = rows - about
        sums = torch.cat([apart.sum(0), apart.square().sum(0), rows.new_tensor([len(rows)])])
        *moments, number = total(sums).tensor_split([rows.shape[1], 2 * rows.shape[1]])
        shift, square = (each / number for each in moments)
        mean, variance = about + shift, square - shift.square()
        if self.population is None:
            self._follow(mean.detach(), (variance * number / (number - 1)).detach())
        return (inputs - mean) * (variance + self.eps).rsqrt() * self.weight + self.bias

    @torch.no_grad()
    def _follow(self, mean: Tensor, variance: Tensor) -> None:
        """Move the running statistics, as torch does."""
        assert self.momentum is not None  # the default, as in every layer here  # noqa: S101
        for running, now in ((self.running_mean, mean), (self.running_var, variance)):
            assert running is not None  # likewise  # noqa: S101
            running.lerp_(now, self.momentum)
        assert self.num_batches_tracked is not None  # likewise  # noqa: S101
        self.num_batches_tracked += 1


@contextmanager
def normalised_by_the_first(rows: int, module: nn.Module) -> Iterator[None]:
    """Normalise all rows of a training batch by the statistics of the first ones.

    The running statistics stay as they are: what is tried beside the training batch does not
    belong to what the networks are trained on.
    """
    norms = [norm for norm in module.modules() if isinstance(norm, BatchNorm)]
    for norm in norms:
        norm.population = rows
    try:
        yield
    finally:
        for norm in norms:
            norm.population = None


def br_layers(inputs: int, hidden: int, count: int, *, batch_norm: bool = True) -> list[nn.Module]:
    """DkBR-DkBR-…: ``count`` times linear, batch norm, ReLU. The norm's shift is the bias."""
    layers: list[nn.Module] = []
    for width in [inputs, *[hidden] * count][:count]:
        layers.append(Linear(width, hidden, bias=not batch_norm))
        layers += [BatchNorm(hidden), nn.ReLU()] if batch_norm else [nn.ReLU()]
    return layers


class Trunk(nn.Module):
    """f_MLP of named inputs: (x-DkBR-…, w-DkBR-…)-DkBR-….

    The inputs are joined in the order of their names, so that a mapping written in another order
    is the same network.

    Attributes:
        width: Units of the output.

    """

    def __init__(self, inputs: Mapping[str, int], hidden: int, layers: Layers) -> None:
        super().__init__()
        depth = {name: 0 if name in layers.direct else layers.before for name in sorted(inputs)}
        norm = layers.batch_norm
        self.branches = nn.ModuleDict(
            {
                name: nn.Sequential(*br_layers(inputs[name], hidden, depth[name], batch_norm=norm))
                for name in depth
            }
        )
        joined = sum(hidden if depth[name] else inputs[name] for name in depth)
        self.joint = nn.Sequential(*br_layers(joined, hidden, layers.after, batch_norm=norm))
        if layers.dropout:
            self.joint.append(nn.Dropout(layers.dropout))
        self.width = hidden if layers.after else joined

    def forward(self, **inputs: Tensor) -> Tensor:
        """Map named [B, D] to [B, width]."""
        outputs = [branch(inputs[name]) for name, branch in self.branches.items()]
        joined = torch.cat(outputs, dim=-1) if len(outputs) > 1 else outputs[0]  # spare a copy
        return self.joint(joined)  # type: ignore[no-any-return]  # torch's own


class GaussianNetwork(nn.Module):
    """N(f_μ(f_MLP(·)), diag(softplus(f_σ²(f_MLP(·))))), eq. 2."""

    def __init__(self, trunk: Trunk, dimension: int) -> None:
        super().__init__()
        self.trunk = trunk
        self.mean = Linear(trunk.width, dimension)
        self.variance = Linear(trunk.width, dimension)

    def forward(self, **inputs: Tensor) -> Gaussian:
        """Give the distribution for named [B, D]."""
        hidden = self.trunk(**inputs)
        return gaussian(self.mean(hidden), self.positive(self.variance(hidden)))

    def positive(self, output: Tensor) -> Tensor:
        """Make a variance of a linear layer's output."""
        return functional.softplus(output) + VARIANCE_FLOOR


class BoundedGaussianNetwork(GaussianNetwork):
    """log σ² = tanh(f_σ²(f_MLP(·))): eq. 8 of Suzuki & Matsuo, 2016.

    The variance stays between 1/e and e: no encoder can be surer of z than that, and no decoder of
    a pixel.
    """

    def positive(self, output: Tensor) -> Tensor:
        """Make a variance of a linear layer's output."""
        return output.tanh().exp()


class CategoricalNetwork(nn.Module):
    """Cat(softmax(f_μ(f_MLP(·))))."""

    def __init__(self, trunk: Trunk, dimension: int) -> None:
        super().__init__()
        self.trunk = trunk
        self.logits = Linear(trunk.width, dimension)

    def forward(self, **inputs: Tensor) -> Categorical:
        """Give the distribution for named [B, D]."""
        return categorical(self.logits(self.trunk(**inputs)))


class BernoulliNetwork(nn.Module):
    """Bern(sigmoid(f_μ(f_MLP(·)))), eq. 3."""

    def __init__(self, trunk: Trunk, dimension: int) -> None:
        super().__init__()
        self.trunk = trunk
        self.logits = Linear(trunk.width, dimension)

    def forward(self, **inputs: Tensor) -> Independent[Bernoulli]:
        """Give the distribution for named [B, D]."""
        return bernoulli(self.logits(self.trunk(**inputs)))


class NonNegativeNetwork(nn.Module):
    """'MSE over ≥ 0' around softplus(f_μ(f_MLP(·))), appendix A.1.2."""

    def __init__(self, trunk: Trunk, dimension: int) -> None:
        super().__init__()
        self.trunk = trunk
        self.mean = Linear(trunk.width, dimension)

    def forward(self, **inputs: Tensor) -> SquaredError:
        """Give the error's centre for named [B, D]."""
        return SquaredError(functional.softplus(self.mean(self.trunk(**inputs))))


@dataclass(frozen=True)
class NetworkTable:
    """One section of appendix A.1: widths, and a trunk for each distribution.

    Attributes:
        hidden: The k of DkBR.
        a: Dimensions of the shared representation.
        z: Dimensions of the style.
        decoder: The distribution of a modality.
        q_a: Trunk of q(a|x,w), joint.
        q_a_single: Trunk of q(a|x) and q(a|w).
        p_x_a: Trunk of p(x|a) and p(w|a).
        q_y_a: Trunk of q(y|a), the classifier.
        p_a_zy: Trunk of p(a|z,y), which the appendix calls q(a|z,y).
        q_z_ay: Trunk of q(z|a,y).
        p_x_zy: Trunk of p(x|z,y) and p(w|z,y), SS-MVAE.
        q_y_x: Trunk of q(y|x,w), SS-MVAE.
        q_z_xy: Trunk of q(z|x,w,y), SS-MVAE.
        p_x_azy: Trunk of p(x|a,z,y), SDGM; the appendix has no SDGM: its trunks are SS-MVAE's
            with the further inputs, all joined at once as Maaløe et al. (2016) do.
        q_y_ax: Trunk of q(y|a,x), SDGM.
        q_z_axy: Trunk of q(z|a,x,y), SDGM.

    """

    hidden: int
    a: int
    z: int
    decoder: type[BernoulliNetwork | NonNegativeNetwork]
    q_a: Layers
    q_a_single: Layers
    p_x_a: Layers
    q_y_a: Layers
    p_a_zy: Layers
    q_z_ay: Layers
    p_x_zy: Layers
    q_y_x: Layers
    q_z_xy: Layers
    p_x_azy: Layers
    q_y_ax: Layers
    q_z_axy: Layers


TABLES = {
    'mnist': NetworkTable(  # A.1.1
        hidden=512,
        a=128,
        z=64,
        decoder=BernoulliNetwork,
        q_a=Layers(before=2, after=1),  # (x-D512BR-D512BR, w-D512BR-D512BR)-D512BR
        q_a_single=Layers(before=2),  # x-D512BR-D512BR
        p_x_a=Layers(before=2),  # a-D512BR-D512BR
        q_y_a=Layers(before=1),  # a-D512BR
        p_a_zy=Layers(before=0, after=2),  # (z, y)-D512BR-D512BR
        q_z_ay=Layers(before=0, after=2),  # (a, y)-D512BR-D512BR
        p_x_zy=Layers(before=0, after=2),  # (z, y)-D512BR-D512BR
        q_y_x=Layers(before=2, after=1),  # (x-D512BR-D512BR, w-D512BR-D512BR)-D512BR
        q_z_xy=Layers(before=2, after=1, direct=('y',)),  # as q_y_x, and y as it is
        p_x_azy=Layers(before=0, after=2),
        q_y_ax=Layers(before=0, after=2),
        q_z_axy=Layers(before=0, after=2),
    ),
    'rgbd': NetworkTable(  # A.1.2, whose D1024 for p(x|a) is a misprint: the target has 4,096
        hidden=1024,
        a=1024,
        z=1024,
        decoder=NonNegativeNetwork,
        q_a=Layers(before=1),  # (x-D1024BR, w-D1024BR)
        q_a_single=Layers(before=2),  # x-D1024BR-D1024BR
        p_x_a=Layers(before=2),  # a-D1024BR-D1024BR
        q_y_a=Layers(before=1, dropout=0.5),  # a-D1024BR-Dropout0.5
        p_a_zy=Layers(before=1),  # (z-D1024BR, y-D1024BR)
        q_z_ay=Layers(before=1),  # (a-D1024BR, y-D1024BR)
        p_x_zy=Layers(before=0, after=2),  # (z, y)-D1024BR-D1024BR
        # q(y|x,w) is (x-D1024BR-D1024BR, w-D1024BR-D1024BR)-D1024BR-Dropout0.5
        q_y_x=Layers(before=2, after=1, dropout=0.5),
        q_z_xy=Layers(before=2, after=1, direct=('y',)),  # as q_y_x, and y as it is
        p_x_azy=Layers(before=0, after=2),
        q_y_ax=Layers(before=0, after=2, dropout=0.5),
        q_z_axy=Layers(before=0, after=2),
    ),
}
"""The paper's two sets of networks, by the name that the settings give them."""
