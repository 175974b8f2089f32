# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""How far a session has come in a folder, and what is done about it."""

from __future__ import annotations

from pathlib import Path

import pytest

from mm_perception.errors import SettingsError
from training.output import Output, Stand
from training.recipe import Recipe

RECIPE = Recipe()


def stand(folder: Path, *, resume: bool = False, overwrite: bool = False) -> Stand:
    with Output(folder, resume, overwrite).claimed(RECIPE) as found:
        return found


def finished(folder: Path, recipe: Recipe = RECIPE) -> None:
    output = Output(folder, resume=False, overwrite=False)
    (folder / 'bundle').mkdir(parents=True)
    output.write_recipe(recipe)


def stopped(folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    (folder / 'checkpoint.safetensors').touch()


def test_resume_goes_on_wherever_it_stands(tmp_path: Path) -> None:
    assert stand(tmp_path / 'new', resume=True) is Stand.NOTHING_YET
    stopped(tmp_path / 'fitting')
    assert stand(tmp_path / 'fitting', resume=True) is Stand.STOPPED
    finished(tmp_path / 'writing')
    stopped(tmp_path / 'writing')
    assert stand(tmp_path / 'writing', resume=True) is Stand.STOPPED
    finished(tmp_path / 'done')
    assert stand(tmp_path / 'done', resume=True) is Stand.FINISHED


def test_another_recipes_result_is_not_taken_for_this_ones(tmp_path: Path) -> None:
    finished(tmp_path, Recipe(seed=1))
    with pytest.raises(SettingsError, match='bundle: exists'):
        stand(tmp_path, resume=True)
    assert stand(tmp_path, resume=True, overwrite=True) is Stand.NOTHING_YET


def test_nothing_is_replaced_unasked(tmp_path: Path) -> None:
    assert stand(tmp_path) is Stand.BEGINNING
    stopped(tmp_path)
    with pytest.raises(SettingsError, match='give --resume'):
        stand(tmp_path)
    assert stand(tmp_path, overwrite=True) is Stand.BEGINNING


def test_two_sessions_do_not_write_to_one_folder(tmp_path: Path) -> None:
    output = Output(tmp_path, resume=False, overwrite=False)
    with (
        output.claimed(RECIPE),
        pytest.raises(SettingsError, match='another session is at work'),
        output.claimed(RECIPE),
    ):
        pass
    assert stand(tmp_path) is Stand.BEGINNING


def test_what_a_killed_session_left_goes_and_the_bundle_that_it_took_away_comes_back(
    tmp_path: Path,
) -> None:
    for name in ('.bundle.abc', '.bundle.abc.old'):
        (tmp_path / name).mkdir()
        (tmp_path / name / 'of').write_text(name)
    (tmp_path / '.tmpa1B2c3').touch()  # safetensors'
    (tmp_path / '.mine.5').touch()
    assert stand(tmp_path, overwrite=True) is Stand.BEGINNING
    assert (tmp_path / 'bundle' / 'of').read_text() == '.bundle.abc.old'
    assert sorted(path.name for path in tmp_path.iterdir()) == ['.mine.5', 'bundle']


def test_file_in_the_folders_place_is_named(tmp_path: Path) -> None:
    (tmp_path / 'model').touch()
    with pytest.raises(SettingsError, match='model: cannot be made'):
        stand(tmp_path / 'model')
