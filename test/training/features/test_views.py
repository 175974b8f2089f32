# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Views of crops: the same moments seen differently, the same each time, and learned from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from fits import CPU, data, recipe
from hypothesis import given as any_of
from hypothesis import strategies as st

from mm_perception.errors import SettingsError
from mm_perception.head import Head
from mm_perception.observation import Frame, Modality, Observation
from training.features.dataset import Rows, Source, load_dataset
from training.features.views import View
from training.fitting.climb import Run
from training.fitting.fit import drawn_rows, fit
from training.recipe import read_recipe

RGB, DEPTH = Modality.RGB, Modality.DEPTH


@dataclass(frozen=True)
class Crops:
    """Crops of noise; of the last one only the corner has a distance."""

    name: str = 'apple_1'
    start: int = 0

    def identity(self) -> dict[str, object]:
        return {'files': self.name}

    def observations(self, every: int) -> Iterator[tuple[int, Observation]]:
        random = np.random.default_rng(0)
        for time in range(0, 6, every):
            depth = random.uniform(0.5, 1, (40, 30)).astype(np.float32)
            if time == 5:
                depth[:] = np.nan
                depth[0, 0] = 0.7
            colour = random.integers(0, 255, (40, 30, 3), dtype=np.uint8)
            yield time, Observation.of(Frame(RGB, time, '', colour), Frame(DEPTH, time, '', depth))


def seen(source: Source) -> list[tuple[int, np.ndarray, np.ndarray]]:
    return [(t, o.frames[RGB].image, o.frames[DEPTH].image) for t, o in source.observations(1)]


def mean_colour(sources: Sequence[Source]) -> list[Rows]:
    """Make features as cheap as they can be: the mean of each picture."""
    found = []
    for source in sources:
        times, *pictures = zip(*seen(source), strict=True)
        colours, depths = (
            torch.tensor([[float(np.nanmean(image))] for image in images]) for images in pictures
        )
        found.append(Rows(source.name, torch.tensor(times), {'rgb': colours, 'depth': depths}, {}))
    return found


def test_view_is_the_same_each_time_and_another_by_number_moment_and_recording() -> None:
    one, again, other = (seen(View(Crops(), n)) for n in (1, 1, 2))
    elsewhere = seen(View(Crops('apple_2'), 1))
    torch.manual_seed(5)
    before = torch.get_rng_state()
    assert all(np.array_equal(a[1], b[1]) for a, b in zip(one, again, strict=True))
    assert not all(np.array_equal(a[1], b[1]) for a, b in zip(one, other, strict=True))
    assert not all(np.array_equal(a[1], b[1]) for a, b in zip(one, elsewhere, strict=True))
    seen(View(Crops(), 1))
    assert torch.equal(torch.get_rng_state(), before)  # a fit's own random state is left alone
    assert View(Crops(), 1).identity() != View(Crops(), 2).identity() != Crops().identity()


def test_no_view_loses_a_moment_that_the_recording_has() -> None:
    times = [time for time, *_ in seen(Crops())]
    for number in range(1, 20):
        of_view = seen(View(Crops(), number))
        assert [time for time, *_ in of_view] == times
        assert all((np.nan_to_num(depth) > 0).any() for _, _, depth in of_view)


def test_dataset_has_each_rows_views_beside_it() -> None:
    sources = [Crops('apple_1'), Crops('ball_1')]
    dataset = load_dataset(sources, lambda name, _: name, mean_colour, views=3)
    plain = load_dataset(sources, lambda name, _: name, mean_colour)
    given, without = (each.training_data(('apple_1', 'ball_1')) for each in (dataset, plain))
    assert torch.equal(given.features['rgb'][:], without.features['rgb'][:])
    assert given.labels.tolist() == without.labels.tolist()
    assert without.views == ()
    assert [view['depth'].shape for view in given.views] == [(12, 1)] * 3
    (third,) = mean_colour([View(Crops('ball_1'), 3)])
    assert torch.equal(given.views[2]['rgb'][6:], third.features['rgb'])


def test_fit_learns_from_the_views() -> None:
    """Pictures that all look alike, of which only the views tell the classes apart."""
    given = data(count=60, labelled=30)
    alike = {name: values.mean(0).expand_as(values) for name, values in given.features.items()}
    blind = replace(given, features=alike, views=(given.features,) * 4)
    head = fit(blind, recipe(epochs=25, learning_rate=1e-2), Run(CPU))
    truth = torch.arange(60) % 3
    right = head(given.features).probabilities.argmax(1) == truth
    assert right.float().mean() > 0.9
    other = fit(replace(blind, views=()), recipe(epochs=2), Run(CPU))
    assert (other(given.features).probabilities.argmax(1) == truth).float().mean() < 0.9


def test_views_of_whole_pictures_are_refused() -> None:
    with pytest.raises(SettingsError, match=r'views and pipeline\.region: .*region\.kind=full'):
        read_recipe(None, ['views=2'])
    assert read_recipe(None, ['views=2', 'pipeline.region.kind=full']).views == 2


@any_of(st.integers(0, 2**32), st.integers(1, 4))
def test_what_is_drawn_is_the_crop_or_one_view_of_it_in_every_modality(seed: int, V: int) -> None:
    given = data(count=9, labelled=3)
    views = tuple({n: f + v for n, f in given.features.items()} for v in range(1, V + 1))
    head = Head(recipe().model_settings({'rgb': 20, 'depth': 12}, 3))  # which scales by 1
    still, draw = drawn_rows(head.scaling, replace(given, views=views), CPU)
    rows = torch.arange(9).repeat(3)
    torch.manual_seed(seed)
    plain, drawn = still(rows), draw(rows)
    moved = {n: (drawn[n] - plain[n]).round(decimals=4) for n in plain}
    which = moved['rgb'][:, :1]
    assert set(which.flatten().tolist()) <= set(range(V + 1))
    assert all((part == which).all() for part in moved.values())
    assert len(set(which.flatten().tolist())) > 1
