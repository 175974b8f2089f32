# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from training.simulation.objects import CATEGORIES, make_object


def test_there_are_at_least_ten_categories() -> None:
    assert len(CATEGORIES) >= 10


@pytest.mark.parametrize('category', CATEGORIES)
def test_every_instance_stands_on_the_table_and_fits_a_hand_s_reach(category: str) -> None:
    for instance in range(1, 9):
        thing = make_object(category, instance, seed=3)
        low, high = thing.vertices.min(0), thing.vertices.max(0)
        assert low[2] == pytest.approx(0, abs=1e-6)
        assert (low[:2] + high[:2]) / 2 == pytest.approx([0, 0], abs=1e-6)
        assert 0.05 < thing.extent < 0.35
        assert thing.faces.max() < len(thing.vertices)
        assert len(thing.part_of_face) == len(thing.faces)


@pytest.mark.parametrize('category', CATEGORIES)
def test_every_paint_gives_a_reflectance(category: str) -> None:
    for instance in range(1, 9):
        thing = make_object(category, instance, seed=0)
        for part, paint in enumerate(thing.paints):
            corners = thing.faces[thing.part_of_face == part].reshape(-1)
            albedo = paint(thing.vertices[corners] - thing.shift)
            assert albedo.shape == (len(corners), 3)
            assert albedo.dtype == np.float32
            assert albedo.min() >= 0
            assert albedo.max() <= 1


@pytest.mark.parametrize('category', CATEGORIES)
def test_instances_differ_in_proportions_and_colour(category: str) -> None:
    first, second = (make_object(category, instance, seed=0) for instance in (1, 2))
    sides = [np.ptp(thing.vertices, axis=0) for thing in (first, second)]
    assert np.abs(sides[0] / sides[0].max() - sides[1] / sides[1].max()).max() > 1e-3 or (
        abs(sides[0].max() - sides[1].max()) > 1e-3
    )
    colours = [
        thing.paints[0](thing.vertices[thing.faces[thing.part_of_face == 0][:, 0]] - thing.shift)
        for thing in (first, second)
    ]
    assert np.abs(colours[0].mean(0) - colours[1].mean(0)).max() > 1e-3


def test_the_same_instance_is_the_same_object_whenever_it_is_made() -> None:
    first, again = (make_object('apple', 2, seed=5) for _ in range(2))
    assert (first.vertices == again.vertices).all()
    points = first.vertices - first.shift
    assert (first.paints[0](points) == again.paints[0](points)).all()


def test_another_seed_gives_other_objects() -> None:
    first, other = (make_object('apple', 2, seed=seed) for seed in (5, 6))
    assert not np.allclose(first.vertices, other.vertices)
