# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The command ``train paper``: run an experiment of the papers, and print it beside theirs.

It imports what it needs when it runs: ``--help`` does not wait for torch.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from mm_perception.errors import SettingsError
from training.options import Device, DeviceOption, torch_device

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

    from training.fitting.climb import Progress
    from training.paper.results import Result

_CONSOLE = Console()
_MEASURED = Path(__file__).with_name('results.csv')
_QUICK_EPOCHS = {'washington': 10, 'fine tuning': 2}
_OF_WASHINGTON = {'paper': 'washington', 'quick': 'washington'}  # and 'ours': the experiment's own


class Experiment(str, Enum):
    """What the papers show."""

    TABLE1 = 'table1'
    TABLE2 = 'table2'
    TABLE3 = 'table3'
    TABLE4 = 'table4'
    TABLE5 = 'table5'
    TABLE6 = 'table6'
    FEW_LABELS = 'few_labels'
    DEPTH_ENCODINGS = 'depth_encodings'
    FLICKR = 'flickr'
    FIGURE4 = 'figure4'
    FIGURE5 = 'figure5'
    FIGURE6 = 'figure6'


_LEARNED = ('quick', 'recipe', 'epochs', 'seed')
_DIGITS = ('mnist', *_LEARNED, 'seeds', 'only')
_FIGURE = ('mnist', *_LEARNED, 'only')  # of one seed
_WASHINGTON = (
    'washington', *_LEARNED, 'seeds', 'only', 'split', 'backbone', 'backbone_weights'
)  # fmt: skip
_OPTIONS = {
    Experiment.TABLE1: _DIGITS,
    Experiment.TABLE2: _DIGITS,
    Experiment.TABLE3: _DIGITS,
    Experiment.TABLE4: _DIGITS,
    Experiment.TABLE5: _WASHINGTON,
    Experiment.TABLE6: _WASHINGTON,
    Experiment.FEW_LABELS: (*_WASHINGTON, 'changes'),
    Experiment.DEPTH_ENCODINGS: (*_WASHINGTON, 'changes'),
    Experiment.FLICKR: ('flickr', *_LEARNED, 'seeds', 'split'),
    Experiment.FIGURE4: _FIGURE,
    Experiment.FIGURE5: _FIGURE,
    Experiment.FIGURE6: (),
}
"""What an experiment depends on; it is refused what only others do."""


@dataclass(frozen=True)
class _Request:
    """What was asked for, whatever the experiment."""

    experiment: Experiment
    data: Path | None
    recipe: str
    epochs: int | None
    seeds: range
    only: list[str]
    changes: list[str]
    splits: list[int]
    workdir: Path
    results: Path
    device: Device

    def folder(self, option: str) -> Path:
        if self.data is None:
            raise SettingsError(
                f'{self.experiment.value}: give the data with {option} (or --show, to print only)'
            )
        return self.data


def paper(
    context: typer.Context,
    experiment: Annotated[Experiment, typer.Argument(help="The papers' table or figure.")],
    mnist: Annotated[
        Path | None, typer.Option(help="mnist.npz, or the root of torchvision's datasets.")
    ] = None,
    washington: Annotated[
        Path | None,
        typer.Option(
            help='The Washington RGB-D Object Dataset, for table5, table6, few_labels and '
            'depth_encodings.'
        ),
    ] = None,
    flickr: Annotated[
        Path | None, typer.Option(help='The published MIR Flickr features, for flickr.')
    ] = None,
    quick: Annotated[bool, typer.Option('--quick', help='Minutes on two cores.')] = False,
    recipe: Annotated[
        str,
        typer.Option(help='paper, ours, quick, or a YAML file of that form (not tables 5 and 6).'),
    ] = 'paper',
    epochs: Annotated[
        int | None, typer.Option(min=1, help="In place of the recipe's; the rows say so.")
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help='How many, counted from --seed.')] = 1,
    seed: Annotated[int, typer.Option(min=0, help='The first one.')] = 0,
    only: Annotated[
        list[str] | None,
        typer.Option(
            help='Only rows with this in their title; may be repeated: of the digits all has to be '
            'there, of the others one.'
        ),
    ] = None,
    changes: Annotated[
        list[str] | None,
        typer.Option('--set', help="Change one setting of few_labels' or depth_encodings' recipe."),
    ] = None,
    split: Annotated[
        list[int] | None,
        typer.Option(min=1, help="Only this of the data's own splits; may be repeated."),
    ] = None,
    backbone: Annotated[
        str, typer.Option(help='A torchvision classifier, for --washington.')
    ] = 'vgg16',
    backbone_weights: Annotated[
        Path | None, typer.Option(help="Its ImageNet weights; default: torch's cache.")
    ] = None,
    show: Annotated[bool, typer.Option('--show', help='Run nothing, print what there is.')] = False,
    workdir: Annotated[Path, typer.Option(help='For checkpoints, pictures and results.')] = Path(
        '.paper'
    ),
    results: Annotated[
        Path | None, typer.Option(help='The CSV file to add to; default: WORKDIR/results.csv.')
    ] = None,
    device: DeviceOption = Device.AUTO,
) -> None:
    """Run an experiment of the papers, and print it beside their numbers.

    What the results have already is not run again, and a run that was stopped goes on.
    """
    _refuse_ignored(context, experiment)
    if quick and recipe not in {'paper', 'quick'}:
        raise SettingsError(f'--quick: is a recipe, and so is --recipe {recipe}; give one of them')
    of_washington = 'table5', 'table6', 'few_labels', 'depth_encodings'
    data = dict.fromkeys(of_washington, washington) | {'flickr': flickr}
    fixed = {Experiment.TABLE5, Experiment.TABLE6, Experiment.FLICKR}
    if experiment in fixed and recipe not in {'paper', 'quick'}:
        raise SettingsError(
            f'--recipe {recipe}: is for digits; {experiment.value} has paper and quick'
        )
    own = {Experiment.FEW_LABELS, Experiment.DEPTH_ENCODINGS}
    request = _Request(
        experiment,
        data.get(experiment.value, mnist),
        'quick' if quick else recipe,
        epochs,
        range(seed, seed + seeds),
        only or [],
        changes or [],
        split or [],
        workdir,
        results or workdir / 'results.csv',
        device,
    )
    if experiment is Experiment.FLICKR and not show:
        _run_flickr(request)
    elif experiment in {Experiment.TABLE5, Experiment.TABLE6} and not show:
        _run_washington(request, backbone, backbone_weights)
    elif experiment in own and not show:
        _run_own(request, backbone, backbone_weights)
    elif experiment is not Experiment.FIGURE6 and not show:
        _run_digits(request)
    _print(request)


def _refuse_ignored(context: typer.Context, experiment: Experiment) -> None:
    """Refuse an option that the experiment would ignore.

    Raises:
        SettingsError: There is one.

    """
    flags = {p.name: p.opts[0] for p in context.command.params if p.name and p.opts}
    ignored = {name for names in _OPTIONS.values() for name in names} - set(_OPTIONS[experiment])
    given = ', '.join(f for name, f in flags.items() if name in ignored and _given(context, name))
    if given and experiment is Experiment.FIGURE6:
        raise SettingsError(
            f'{given}: figure6 draws what there is of table5; measure that with `train paper '
            'table5`'
        )
    if given:
        taken = ', '.join(flags[name] for name in _OPTIONS[experiment])
        raise SettingsError(f'{given}: not for {experiment.value}, which takes {taken}')


def _given(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name != 'DEFAULT'


def _run_digits(request: _Request) -> None:
    from training.paper.digits.mnist import read_mnist
    from training.paper.digits.pictures import draw_figure4, draw_figure5
    from training.paper.digits.recipe import read_digits_recipe
    from training.paper.digits.suite import Suite
    from training.paper.digits.trials import chosen, trials_of

    name, recipe = request.experiment.value, read_digits_recipe(request.recipe, request.epochs)
    if recipe.trial and name in {'table1', 'table2', 'table3'}:
        raise SettingsError(
            f'--recipe {request.recipe}: trains what {name} has no row for; take table4'
        )
    of_recipe = trials_of(name, recipe.trial)
    trials = chosen(of_recipe, request.only)
    if not trials:
        titles = '; '.join(trial.title for trial in of_recipe)
        raise SettingsError(f'--only {" ".join(request.only)}: not in {name}; it has: {titles}')
    suite = Suite(
        read_mnist(request.folder('--mnist')),
        recipe,
        request.results,
        request.workdir,
        torch_device(request.device),
        _CONSOLE,
    )
    if request.experiment is Experiment.FIGURE4:
        draw_figure4(suite, trials, request.seeds[0])
    elif request.experiment is Experiment.FIGURE5:
        draw_figure5(suite, trials, request.seeds[0])
    else:
        suite.run(trials, request.seeds)


def _run_washington(request: _Request, backbone: str, weights: Path | None) -> None:
    from training.paper.washington import backbone_changes, run_table

    quick = request.recipe == 'quick'
    kind = 'imagenet' if weights is None else 'file'
    run_table(
        'table5' if request.experiment is Experiment.TABLE5 else 'table6',
        request.folder('--washington'),
        request.results,
        trials=request.splits,
        models=request.only,
        changes=backbone_changes(backbone, None, kind),
        epochs=request.epochs or (_QUICK_EPOCHS['washington'] if quick else None),
        fine_tuning_epochs=_QUICK_EPOCHS['fine tuning'] if quick else None,
        quick=quick,
        weights=weights,
        seeds=request.seeds,
        cache=request.workdir,
        device=torch_device(request.device),
        console=_CONSOLE,
    )


def _run_own(request: _Request, backbone: str, weights: Path | None) -> None:
    from training.paper.washington import (
        Setting,
        backbone_changes,
        run_depth_encodings,
        run_few_labels,
    )
    from training.recipe import read_recipe

    quick = request.recipe == 'quick'
    changes = backbone_changes(backbone, None, 'imagenet' if weights is None else 'file')
    if epochs := request.epochs or (_QUICK_EPOCHS['washington'] if quick else None):
        changes.append(f'optimisation.epochs={epochs}')
    changes += request.changes
    named = _OF_WASHINGTON | {'ours': request.experiment.value}
    recipe = read_recipe(Path(named.get(request.recipe, request.recipe)), changes)
    run = run_few_labels if request.experiment is Experiment.FEW_LABELS else run_depth_encodings
    run(
        request.folder('--washington'),
        request.results,
        Setting(
            recipe, None, weights, request.workdir, torch_device(request.device), _CONSOLE, quick
        ),
        splits=request.splits,
        only=request.only,
        seeds=request.seeds,
    )


def _run_flickr(request: _Request) -> None:
    from training.fitting.climb import Run
    from training.interrupt import stoppable
    from training.paper.flickr import SPLITS, run_flickr
    from training.paper.flickr.task import PAPER, QUICK
    from training.progress import progress_bars

    recipe = QUICK if request.recipe == 'quick' else PAPER
    if request.epochs is not None:
        recipe = recipe.lasting(request.epochs)
    for seed in request.seeds:
        with progress_bars(_CONSOLE) as progress, stoppable() as stopping:
            bar = progress.add_task(f'MIR Flickr, seed {seed}', total=None)

            def report(p: Progress, bar: TaskID = bar, bars: Bars = progress) -> None:
                bars.update(bar, total=p.total, completed=p.done)

            device = torch_device(request.device)
            run = Run(device, request.workdir, resume=True, report=report, stopping=stopping)
            run_flickr(
                request.folder('--flickr'),
                request.results,
                run,
                recipe,
                seed=seed,
                splits=request.splits or SPLITS,
            )


def _print(request: _Request) -> None:
    from training.paper.results import read
    from training.paper.tables import print_depth_encodings, print_few_labels, print_table

    found: list[Result] = read(_MEASURED)
    if request.results.resolve() != _MEASURED.resolve():
        found += read(request.results)
    if request.experiment is Experiment.FEW_LABELS:
        from training.paper.curves import draw_few_labels

        print_few_labels(_CONSOLE, found)
        for picture in draw_few_labels(found, request.workdir):
            _CONSOLE.print(f'picture: {picture}', soft_wrap=True)
    elif request.experiment is Experiment.DEPTH_ENCODINGS:
        print_depth_encodings(_CONSOLE, found)
    elif request.experiment is Experiment.FIGURE6:
        from training.paper.digits.pictures import draw_figure6

        _CONSOLE.print(f'picture: {draw_figure6(found, request.workdir)}', soft_wrap=True)
    elif request.experiment.value.startswith('figure'):
        picture = request.workdir / f'{request.experiment.value}.png'
        if not picture.is_file():
            raise SettingsError(f'--show: no {picture} yet; leave --show out to draw it')
        _CONSOLE.print(f'picture: {picture}', soft_wrap=True)
    else:
        print_table(_CONSOLE, request.experiment.value, found)
