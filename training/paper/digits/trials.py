# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Which models the main paper's tables 1 to 4 and figure 4 train, and on what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, ValidationError

from mm_perception.errors import SettingsError
from training.paper.digits.pairs import PAIRS
from training.paper.published import HALVES, NOISY
from training.paper.results import Missing, Result

_NOISY = NOISY[1]  # the one of all tables but the first
ALPHAS = (0.1, 1.0, 10.0)
"""Figure 4's weights of the classifier."""


class Trial(BaseModel):
    """One model to train; with the recipe and the seed it decides the result."""

    model_config = ConfigDict(frozen=True, extra='forbid')

    data: str = Field(description='The name of one of the pairs.')
    model: str = Field(description="The model's name in its settings.")
    labels: PositiveInt | None = Field(100, description='Labelled digits; None: all of them.')
    a: PositiveInt = Field(128, description='Dimensions of a.')
    alpha: float = Field(1.0, ge=0, description="Weight of the classifier's log-likelihood.")
    beta: float = Field(1.0, ge=0, description='Weight of J_div, where there is one.')

    @property
    def missing(self) -> tuple[Missing, ...]:
        """How the model can meet a missing modality, one row of results each."""
        return {
            'ss_mvae': ('zero fill',),
            'ss_hmvae': ('zero fill', 'iterative'),
            'ss_hmvae_kl': ('kl',),
        }.get(self.model, ('',))  # type: ignore[return-value]  # mypy widens the literals

    @property
    def hierarchical(self) -> bool:
        """Whether the model has a representation a."""
        return self.model in {'ss_hmvae', 'ss_hmvae_kl', 'sdgm'}

    @property
    def title(self) -> str:
        """One line for the screen."""
        parts = [self.data, self.model, f'{self.labels or "all"} labels']
        if self.model == 'ss_hmvae_kl':
            parts.append(f'beta {self.beta:g}')
        parts += [f'a {self.a}'] * (self.a != 128) + [f'alpha {self.alpha:g}'] * (self.alpha != 1)  # noqa: PLR2004 - the defaults
        return ', '.join(parts)

    def made(self, result: Result) -> bool:
        """Whether a result is of this trial."""
        return (
            result.data == self.data
            and result.model == self.model
            and result.labels == str(self.labels or 'all')
            and result.alpha == self.alpha
            and (not self.hierarchical or result.a == self.a)
            and (self.model != 'ss_hmvae_kl' or result.beta == self.beta)
        )


def _kl(data: str, beta: float) -> Trial:
    return Trial(data=data, model='ss_hmvae_kl', beta=beta)


TRIALS: dict[str, tuple[Trial, ...]] = {
    'table1': tuple(
        Trial(data=data, model=model, labels=labels)
        for data, model, labels in product(PAIRS, ('ss_mvae', 'ss_hmvae'), (None, 500, 300, 100))
    ),
    'table2': tuple(
        Trial(data=_NOISY, model=model, labels=labels)
        for model, labels in product(('m2', 'ss_mvae'), (500, 300, 100))
    ),
    'table3': tuple(Trial(data=_NOISY, model='ss_hmvae', a=a) for a in (2, 32, 64, 128)),
    'table4': tuple(
        trial
        for data in (HALVES, _NOISY)
        for trial in (
            Trial(data=data, model='ss_mvae'),
            Trial(data=data, model='ss_hmvae'),
            *(_kl(data, beta) for beta in (0.1, 1.0, 10.0)),
        )
    ),
    'figure4': tuple(Trial(data=_NOISY, model='ss_mvae', alpha=alpha) for alpha in ALPHAS),
    'figure5': tuple(
        trial
        for data in (HALVES, _NOISY)
        for trial in (Trial(data=data, model='ss_hmvae'), _kl(data, 0.1))
    ),
}
"""What each experiment on digits trains, by its name."""


def trials_of(experiment: str, changes: Mapping[str, Any]) -> list[Trial]:
    """Give an experiment's trials, changed as a recipe has it, each once.

    Raises:
        SettingsError: A change that a trial does not have.

    """
    try:
        changed = [
            Trial.model_validate(trial.model_dump() | dict(changes)) for trial in TRIALS[experiment]
        ]
    except ValidationError as error:
        first = error.errors()[0]
        name = '.'.join(str(part) for part in first['loc'])
        raise SettingsError(f'recipe: trial.{name}: {first["msg"]}') from error
    return list(dict.fromkeys(changed))


def chosen(trials: Sequence[Trial], words: Sequence[str]) -> list[Trial]:
    """Keep the trials with all the words in their titles.

    Args:
        trials: To choose from.
        words: ``hmMNIST``, ``beta 1`` and the like. One that is a whole item of some title, between
            its commas, is looked for as such: ``beta 1`` is not ``beta 10``.

    """
    items = {item for trial in trials for item in trial.title.split(', ')}

    def fits(trial: Trial, word: str) -> bool:
        return word in (trial.title.split(', ') if word in items else trial.title)

    return [trial for trial in trials if all(fits(trial, word) for word in words)]
