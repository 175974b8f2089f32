# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The VAE of the step-time table in Pixyz and in Pyro, each written as its own example is.

One hidden layer a side, ReLU; z diagonal Gaussian, softplus spread; x Bernoulli; Adam, 1e-3. Both
libraries' examples, and what they do by default (Pyro validates its arguments, Pixyz takes torch's
default Adam), stay as they are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

Step = Callable[[Tensor], Any]


class Encoder(nn.Module):
    def __init__(self, hidden: int, z: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(784, hidden)
        self.loc = nn.Linear(hidden, z)
        self.scale = nn.Linear(hidden, z)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        hidden = functional.relu(self.hidden(x))
        return self.loc(hidden), functional.softplus(self.scale(hidden))


class Decoder(nn.Sequential):
    def __init__(self, hidden: int, z: int) -> None:
        super().__init__(nn.Linear(z, hidden), nn.ReLU(), nn.Linear(hidden, 784), nn.Sigmoid())


def pixyz(hidden: int, z: int, device: torch.device) -> Step:
    """After examples/vae_with_vae_class.ipynb."""
    from pixyz.distributions import Bernoulli, Normal  # noqa: PLC0415 - it may not be installed
    from pixyz.losses import KullbackLeibler  # noqa: PLC0415
    from pixyz.models import VAE  # noqa: PLC0415

    class Inference(Normal):
        def __init__(self) -> None:
            super().__init__(var=['z'], cond_var=['x'], name='q')
            self.network = Encoder(hidden, z)

        def forward(self, x: Tensor) -> dict[str, Tensor]:
            loc, scale = self.network(x)
            return {'loc': loc, 'scale': scale}

    class Generator(Bernoulli):
        def __init__(self) -> None:
            super().__init__(var=['x'], cond_var=['z'], name='p')
            self.network = Decoder(hidden, z)

        def forward(self, z: Tensor) -> dict[str, Tensor]:
            return {'probs': self.network(z)}

    p, q = Generator().to(device), Inference().to(device)
    prior = Normal(
        loc=torch.tensor(0.0),
        scale=torch.tensor(1.0),
        var=['z'],
        features_shape=[z],
        name='p_{prior}',
    ).to(device)
    model = VAE(
        encoder=q,
        decoder=p,
        regularizer=KullbackLeibler(q, prior),
        optimizer=torch.optim.Adam,
        optimizer_params={'lr': 1e-3},
    )
    # It caches by the identity of its input: the same tensor twice would be one step, twice.
    return lambda x: model.train({'x': x.view_as(x)})


def pyro(hidden: int, z: int, device: torch.device) -> Step:
    """After examples/vae/vae.py."""
    import pyro as library  # noqa: PLC0415 - it may not be installed
    from pyro import distributions  # noqa: PLC0415
    from pyro.infer import SVI, Trace_ELBO  # noqa: PLC0415
    from pyro.optim import Adam  # noqa: PLC0415

    encoder, decoder = Encoder(hidden, z).to(device), Decoder(hidden, z).to(device)

    def model(x: Tensor) -> None:
        library.module('decoder', decoder)
        with library.plate('data', len(x)):
            zeros = x.new_zeros(len(x), z)
            prior = distributions.Normal(zeros, torch.ones_like(zeros)).to_event(1)
            probs = decoder(library.sample('latent', prior))
            likelihood = distributions.Bernoulli(probs, validate_args=False).to_event(1)
            library.sample('obs', likelihood, obs=x)

    def guide(x: Tensor) -> None:
        library.module('encoder', encoder)
        with library.plate('data', len(x)):
            library.sample('latent', distributions.Normal(*encoder(x)).to_event(1))

    svi = SVI(model, guide, Adam({'lr': 1e-3}), loss=Trace_ELBO())
    # Its parameters are global: each model has a store of its own, put in place for its steps.
    store = library.get_param_store()
    store.clear()
    state = store.get_state()

    def step(x: Tensor) -> float:
        nonlocal state
        with store.scope(state) as state:
            return svi.step(x)  # type: ignore[no-any-return]

    return step


LIBRARIES = {'Pixyz 0.3.3': ('pixyz', pixyz), 'Pyro 1.9': ('pyro', pyro)}
