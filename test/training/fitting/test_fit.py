# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
import torch
from fits import CPU, WIDTHS, data, recipe
from safetensors.torch import save_file

from mm_perception.errors import TrainingError
from mm_perception.head import Head
from training.fitting.checkpoint import load_checkpoint
from training.fitting.climb import Epoch, Progress, Run
from training.fitting.fit import TrainingData, fit
from training.interrupt import StoppedError


def weights(head: Head) -> dict[str, torch.Tensor]:
    return head.state_dict()


def stop_after(steps: int, then: Callable[[Progress], None] = lambda _: None) -> dict[str, object]:
    done = [0]

    def report(progress: Progress) -> None:
        done[0] = progress.done
        then(progress)

    return {'report': report, 'stopping': lambda: done[0] >= steps}


def test_fit_learns_from_few_labels() -> None:
    given = data(count=120, labelled=6)
    head = fit(given, recipe(epochs=25, learning_rate=1e-2), Run(CPU))
    truth = torch.arange(120) % 3
    accuracy = {
        name: (head({name: values}).probabilities.argmax(1) == truth).float().mean().item()
        for name, values in given.features.items()
    }
    accuracy['rgbd'] = (head(given.features).probabilities.argmax(1) == truth).float().mean().item()
    assert min(accuracy.values()) > 0.9, accuracy


def test_same_seed_gives_the_same_model() -> None:
    one, again = (weights(fit(data(), recipe(), Run(CPU))) for _ in range(2))
    assert all(torch.equal(one[name], again[name]) for name in one)


@pytest.mark.parametrize('steps', [1, 4, 7])
def test_resumed_fit_gives_what_not_stopping_had_given(tmp_path: Path, steps: int) -> None:
    whole = weights(fit(data(), recipe(), Run(CPU)))
    checkpoint = tmp_path / 'run' / 'checkpoint.safetensors'
    with pytest.raises(StoppedError):
        fit(data(), recipe(), Run(CPU, checkpoint, **stop_after(steps)))
    torch.rand(100)  # whatever else draws random numbers in between
    resumed = weights(fit(data(), recipe(), Run(CPU, checkpoint, resume=True)))
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_finished_fit_is_not_done_again(tmp_path: Path) -> None:
    checkpoint = tmp_path / 'checkpoint.safetensors'
    whole = weights(fit(data(), recipe(), Run(CPU, checkpoint)))
    seen: list[Progress] = []
    again = weights(fit(data(), recipe(), Run(CPU, checkpoint, resume=True, report=seen.append)))
    assert not seen
    assert all(torch.equal(whole[name], again[name]) for name in whole)


@pytest.mark.parametrize(
    ('other', 'changes'), [(data(seed=1), {}), (data(labelled=9), {}), (data(), {'epochs': 4})]
)
def test_checkpoint_of_another_run_is_refused(
    tmp_path: Path, other: TrainingData, changes: dict[str, object]
) -> None:
    checkpoint = tmp_path / 'checkpoint.safetensors'
    with pytest.raises(StoppedError):
        fit(data(), recipe(), Run(CPU, checkpoint, **stop_after(2)))
    with pytest.raises(TrainingError, match='of a run with other'):
        fit(other, recipe(**changes), Run(CPU, checkpoint, resume=True))


def test_damaged_checkpoint_is_refused(tmp_path: Path) -> None:
    checkpoint = tmp_path / 'checkpoint.safetensors'
    save_file({'head.x': torch.zeros(1)}, checkpoint)
    optimizer = torch.optim.Adam([torch.zeros(1, requires_grad=True)])
    for content in (checkpoint.read_bytes(), b'rubbish'):
        checkpoint.write_bytes(content)
        with pytest.raises(TrainingError, match=f'{checkpoint}: not a checkpoint'):
            load_checkpoint(checkpoint, 'run', torch.nn.Linear(1, 1), optimizer)


def test_checkpoint_that_cannot_be_written_says_how_to_go_on(tmp_path: Path) -> None:
    place = tmp_path / 'file'
    place.write_text('')
    says = r'cannot be written: .*; make room; a resumed run begins this fit anew$'  # whoever asks
    with pytest.raises(TrainingError, match=says):
        fit(data(), recipe(), Run(CPU, place / 'checkpoint.safetensors'))


def test_fully_labelled_data_trains_too() -> None:
    given = data(labelled=60)
    head = fit(given, recipe(epochs=120, learning_rate=1e-2), Run(CPU))
    assert (head(given.features).probabilities.argmax(1) == given.labels).float().mean() > 0.9


def test_class_without_a_label_is_named() -> None:
    with pytest.raises(TrainingError, match='no labelled training frame of cap, mug'):
        fit(data(labelled=1), recipe(), Run(CPU))


def test_progress_counts_to_the_end() -> None:
    seen: list[Progress] = []
    fit(data(), recipe(), Run(CPU, report=seen.append))
    assert [p.done for p in seen] == list(range(1, seen[-1].total + 1))
    assert {'L', 'U', 'log_q_y', 'J_div'} <= set(seen[-1].terms)


def test_an_epoch_comes_to_the_means_over_its_steps() -> None:
    steps: list[Progress] = []
    epochs: list[Epoch] = []
    fit(data(), recipe(), Run(CPU, report=steps.append, epochs=epochs.append))
    assert [epoch.epoch for epoch in epochs] == [1, 2, 3]
    each = len(steps) // 3
    for number, epoch in enumerate(epochs):
        seen = [step.terms for step in steps[number * each : (number + 1) * each]]
        means = {name: sum(float(terms[name]) for terms in seen) / each for name in seen[0]}
        assert {'loss', 'L', 'U', 'log_q_y', 'J_div'} <= means.keys()
        assert epoch.losses == pytest.approx(means)


@pytest.mark.parametrize('steps', [1, 4, 7, 9])
def test_resumed_fit_tells_every_epoch_as_if_it_had_not_stopped(tmp_path: Path, steps: int) -> None:
    whole: list[Epoch] = []
    fit(data(), recipe(), Run(CPU, epochs=whole.append))
    checkpoint, told = tmp_path / 'checkpoint.safetensors', list[Epoch]()
    with suppress(StoppedError):  # not after the ninth, which is the last
        fit(data(), recipe(), Run(CPU, checkpoint, **stop_after(steps)))
    fit(data(), recipe(), Run(CPU, checkpoint, resume=True, epochs=told.append))
    assert told == whole


def test_schedule_is_the_recipes() -> None:
    one = weights(fit(data(), recipe(), Run(CPU)))
    other = weights(fit(data(), recipe(schedule='cosine'), Run(CPU)))
    assert any(not torch.equal(one[name], other[name]) for name in one)


def test_a_model_that_learns_from_its_guesses_learns_and_resumes_alike(tmp_path: Path) -> None:
    guessing = recipe(epochs=6, learning_rate=1e-2).model_copy(
        update={'model': {'widths': WIDTHS, 'gamma': 1.0, 'stop_gradient': True}}
    )
    seen: list[Progress] = []
    whole = weights(fit(data(), guessing, Run(CPU, report=seen.append)))
    assert {'J_y', 'sure'} <= set(seen[-1].terms)
    assert seen[-1].terms['J_y'] > seen[0].terms['J_y']
    checkpoint = tmp_path / 'checkpoint.safetensors'
    with pytest.raises(StoppedError):
        fit(data(), guessing, Run(CPU, checkpoint, **stop_after(4)))
    resumed = weights(fit(data(), guessing, Run(CPU, checkpoint, resume=True)))
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
