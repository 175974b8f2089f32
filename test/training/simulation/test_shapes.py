# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
import trimesh

from training.simulation.shapes import lathe, rounded, tube, vertex_normals


def test_rounding_keeps_the_ends_and_stays_within_the_corners() -> None:
    line = rounded([(0, 0), (1, 0), (1, 1)], 3)
    assert line[0].tolist() == [0, 0]
    assert line[-1].tolist() == [1, 1]
    assert (line >= 0).all()
    assert (line <= 1).all()
    assert np.linalg.norm(line - (1, 0), axis=1).min() > 0.1


def test_a_tube_is_closed_and_holds_what_its_circle_sweeps() -> None:
    path = np.stack([np.linspace(0, 0.2, 9), np.zeros(9), np.zeros(9)], 1)
    mesh = tube(path, 0.01, (0, 0, 1), sections=64)
    assert mesh.is_watertight
    # A 64-gon has 0.998 of its circle's area.
    assert abs(mesh.volume) == pytest.approx(np.pi * 0.01**2 * 0.2, rel=0.003)


def test_a_tube_s_faces_look_outwards() -> None:
    path = np.stack([np.linspace(0, 0.2, 9), np.zeros(9), np.zeros(9)], 1)
    assert tube(path, 0.01, (0, 0, 1)).volume > 0


def test_a_lathe_turns_round_the_z_axis() -> None:
    mesh = lathe([(0, 0), (0.03, 0), (0.03, 0.1), (0, 0.1)], 64)
    assert abs(mesh.volume) == pytest.approx(np.pi * 0.03**2 * 0.1, rel=0.003)
    assert np.ptp(mesh.vertices, axis=0) == pytest.approx([0.06, 0.06, 0.1])


def test_vertex_normals_of_a_sphere_point_away_from_its_middle() -> None:
    mesh = trimesh.creation.icosphere(3)
    normals = vertex_normals(mesh.vertices, mesh.faces.astype(np.int32))
    assert (normals * mesh.vertices).sum(1) == pytest.approx(np.ones(len(normals)), abs=1e-3)
