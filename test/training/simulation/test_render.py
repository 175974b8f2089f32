# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from training.simulation.camera import CENTRE, FOCAL, HEIGHT, WIDTH, View
from training.simulation.objects import HouseholdObject, make_object
from training.simulation.render import Stage
from training.simulation.scene import Light, Room

VIEW = View.looking((0, -0.7, 0.5), (0, 0, 0.1))


def stage(thing: HouseholdObject) -> Stage:
    rng = np.random.default_rng(0)
    return Stage(thing, Room.of(rng), Light.of(rng))


def ray_directions() -> np.ndarray:
    u, v = np.meshgrid(np.arange(WIDTH), np.arange(HEIGHT))
    inside = np.stack([(u - CENTRE[0]) / FOCAL, (v - CENTRE[1]) / FOCAL, np.ones(u.shape)], -1)
    return inside @ VIEW.rotation


def test_a_ball_is_as_far_off_as_geometry_says() -> None:
    ball = make_object('ball', 1, seed=0)
    radius = ball.height / 2
    _, depth = stage(ball).picture(VIEW, 0.0)
    rays, centre = ray_directions(), VIEW.position - (0, 0, radius)
    a, b, c = (rays**2).sum(-1), rays @ centre, centre @ centre - radius**2
    within = b**2 - a * c
    inner = within > 0.02 * a * radius**2  # the icosphere's silhouette is a little smaller
    expected = (-b[inner] - np.sqrt(within[inner])) / a[inner]
    # Flat faces lie up to 0.3 % of the radius inside the sphere, seen obliquely near its rim.
    assert depth[inner] == pytest.approx(expected, abs=0.004)
    assert np.abs(depth[inner] - expected).mean() < 0.0005


def test_beside_the_object_there_is_the_table() -> None:
    _, depth = stage(make_object('apple', 1, seed=0)).picture(VIEW, 0.0)
    beside = VIEW.position + ray_directions()[240, 460] * depth[240, 460]
    assert beside[2] == pytest.approx(0, abs=1e-4)


def test_the_whole_picture_has_light_and_a_distance() -> None:
    colour, depth = stage(make_object('cap', 1, seed=0)).picture(VIEW, 0.0)
    assert colour.shape == (HEIGHT, WIDTH, 3)
    assert colour.min() >= 0
    assert np.isfinite(colour).all()
    assert np.isfinite(depth).all()
    assert depth.min() > 0.2


def test_the_object_throws_a_shadow() -> None:
    tall, low = (stage(make_object(name, 1, seed=0)) for name in ('water_bottle', 'plate'))
    darkest = []
    for each in (tall, low):
        colour, depth = each.picture(VIEW, 0.0)
        points = VIEW.position + ray_directions() * depth[..., None]
        table = (np.abs(points[..., 2]) < 1e-3) & (np.hypot(points[..., 0], points[..., 1]) < 0.3)
        grey = colour[table].mean(1)
        darkest.append(np.percentile(grey, 2) / np.median(grey))
    assert darkest[0] < 0.75  # the ambient light alone is left there


def test_light_changes_with_time() -> None:
    scene = stage(make_object('plate', 1, seed=0))
    means = [scene.picture(VIEW, seconds)[0].mean() for seconds in np.linspace(0, 3, 7)]
    assert max(means) / min(means) > 1.05
