# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The command ``train``: simulate, label, fit, evaluate, engines, annotate, demo, paper.

Commands import what they need when they run: ``--help`` does not wait for torch.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress
from typer.core import TyperGroup

from mm_perception.errors import MMPerceptionError, SettingsError
from training.annotating.cli import annotate
from training.interrupt import StoppedError
from training.labelling.cli import label
from training.options import (
    Backbone,
    BackboneWeights,
    Bags,
    Cache,
    Change,
    DepthTopic,
    Device,
    DeviceOption,
    LabelFile,
    Layer,
    RecipeName,
    RgbTopic,
    WeightsFile,
    backbone_changes,
    features_folder,
    torch_device,
    weights_file,
)
from training.paper.cli import paper

if TYPE_CHECKING:
    from training.material import Material
    from training.session import Setting


class _Commands(TyperGroup):
    """The commands; Ctrl-C outside a fit says what became of the work, which Typer keeps quiet."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise StoppedError('stopped; what was finished is kept') from None


app = typer.Typer(
    cls=_Commands,
    help='Learn to label objects from RGB-D recordings of which few are labelled.',
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
_CONSOLE = Console()


LabelTopic = Annotated[
    str | None, typer.Option(help='A std_msgs/String topic in the bags that names the object.')
]
LabelFolders = Annotated[bool, typer.Option(help="Folders' names are the labels.")]


@app.command()
def fit(
    bags: Bags = None,
    output: Annotated[
        Path, typer.Option('--output', '-o', help='Folder for bundle, recipe and report.')
    ] = Path('model'),
    labels: LabelFile = None,
    label_topic: LabelTopic = None,
    label_folders: LabelFolders = False,
    washington: Annotated[
        Path | None, typer.Option(help='The Washington RGB-D Object Dataset, in place of bags.')
    ] = None,
    splits: Annotated[
        Path | None, typer.Option(help="The data set's testinstance_ids.txt; see --trial.")
    ] = None,
    trial: Annotated[int, typer.Option(help='Which of its ten official splits, from 1.')] = 1,
    test: Annotated[
        list[Path] | None, typer.Option(help='Recordings to evaluate on; may be repeated.')
    ] = None,
    test_labels: Annotated[Path | None, typer.Option(help='Their labels, as --labels.')] = None,
    holdout: Annotated[
        float, typer.Option(min=0.01, max=0.9, help='Else: share of the recordings to evaluate on.')
    ] = 0.2,
    leave_out: Annotated[
        list[str] | None,
        typer.Option(help='A class not to train, to see whether it is unknown; may be repeated.'),
    ] = None,
    recipe: RecipeName = None,
    change: Change = None,
    backbone: Backbone = None,
    layer: Layer = None,
    backbone_weights: BackboneWeights = None,
    rgb_topic: RgbTopic = None,
    depth_topic: DepthTopic = None,
    device: DeviceOption = Device.AUTO,
    cache: Cache = None,
    resume: Annotated[
        bool, typer.Option(help='Go on with what was begun, however far it had come.')
    ] = False,
    checkpoint_every: Annotated[
        float, typer.Option(min=0, help='Seconds between two checkpoints of the fit.')
    ] = 60,
    overwrite: Annotated[bool, typer.Option(help='Replace an earlier result.')] = False,
    tensorboard: Annotated[
        Path | None, typer.Option(help='Folder for a log of losses and accuracy, for TensorBoard.')
    ] = None,
) -> None:
    """Learn a bundle from recordings, and report its accuracy by mode on held-out ones."""
    from training.fitting.distributed import join
    from training.material import (
        BagOptions,
        bag_material,
        held_out_by_trial,
        washington_material,
    )
    from training.recipe import read_recipe
    from training.report.tensorboard import Log
    from training.session import run_session
    from training.summary import accuracy_table, trust_table

    ranks = join()
    _CONSOLE.quiet = not ranks.first
    if bool(bags) is (washington is not None):
        raise SettingsError('give either bags or --washington DIR')
    chosen = recipe or Path('rgbd' if washington is None else 'washington')
    changes = [*(change or []), *backbone_changes(backbone, layer, backbone_weights)]
    settings = read_recipe(chosen, changes)
    of_bags = {
        '--test': test,
        '--test-labels': test_labels,
        '--labels': labels,
        '--label-topic': label_topic,
        '--label-folders': label_folders,
        '--rgb-topic': rgb_topic,
        '--depth-topic': depth_topic,
    }
    _refuse_together(washington is not None, 'bags', of_bags)
    _refuse_together(washington is None, '--washington', {'--splits': splits})
    options = BagOptions(labels, label_topic, label_folders, rgb_topic, depth_topic)
    setting = _setting(output, device, cache, weights_file(backbone_weights))
    log = Log(tensorboard) if tensorboard is not None and ranks.first else None
    if log is not None:
        setting = replace(setting, epochs=log.epoch)
    held_out: Material | frozenset[str] | float = holdout
    if washington is not None:
        material = washington_material(washington)
        if splits is not None:
            held_out = held_out_by_trial(splits, trial)
    else:
        material = bag_material(bags or [], options)
        if test:
            test_options = BagOptions(
                test_labels, label_topic, label_folders, rgb_topic, depth_topic
            )
            held_out = bag_material(test, test_options)
    outcome = run_session(
        settings,
        replace(
            setting,
            device=ranks.device(setting.device),
            resume=resume,
            overwrite=overwrite,
            checkpoint_every=checkpoint_every,
            ranks=ranks,
        ),
        material,
        held_out,
        frozenset(leave_out or ()),
    )
    if log is not None:
        log.end(settings, outcome.scores)
    if outcome.scores:
        _CONSOLE.print(accuracy_table(outcome.scores))
    if outcome.trust is not None:
        _CONSOLE.print(trust_table(outcome.trust))
    _CONSOLE.print(f'bundle: {outcome.bundle}\nreport: {outcome.report}', soft_wrap=True)


@app.command()
def evaluate(
    bundle: Annotated[Path, typer.Argument(help="The bundle's folder.")],
    bags: Annotated[list[Path], typer.Argument(help='Recordings that it was not trained on.')],
    report: Annotated[Path | None, typer.Option(help='Folder for a report.')] = None,
    labels: LabelFile = None,
    label_topic: LabelTopic = None,
    label_folders: LabelFolders = False,
    backbone_weights: WeightsFile = None,
    rgb_topic: RgbTopic = None,
    depth_topic: DepthTopic = None,
    device: DeviceOption = Device.AUTO,
    cache: Cache = None,
) -> None:
    """Report a bundle's accuracy by mode on recordings."""
    from training.material import BagOptions, bag_material
    from training.session import evaluate_bundle
    from training.summary import accuracy_table, trust_table

    options = BagOptions(labels, label_topic, label_folders, rgb_topic, depth_topic)
    setting = _setting(report or bundle, device, cache, backbone_weights)
    scores, trust = evaluate_bundle(bundle, setting, bag_material(bags, options))
    _CONSOLE.print(accuracy_table(scores))
    if trust is not None:
        _CONSOLE.print(trust_table(trust))


@app.command()
def engines(
    bundle: Annotated[Path, typer.Argument(help="The bundle's folder; it gets int8 networks.")],
    bags: Annotated[list[Path], typer.Argument(help='Recordings that it was trained on.')],
    test: Annotated[
        list[Path], typer.Option(help='Labelled recordings that it was not; may be repeated.')
    ],
    labels: Annotated[
        Path | None, typer.Option(help='Labels of --test; default: labels.csv in the folder.')
    ] = None,
    label_topic: LabelTopic = None,
    label_folders: LabelFolders = False,
    backbone_weights: WeightsFile = None,
    rgb_topic: RgbTopic = None,
    depth_topic: DepthTopic = None,
) -> None:
    """Quantize a bundle to int8, and try every engine: its time here, and its labels."""
    from training.engines.trials import engines_table, try_engines
    from training.material import BagOptions, bag_material

    frames = BagOptions(rgb_topic=rgb_topic, depth_topic=depth_topic, labelled=False)
    options = BagOptions(labels, label_topic, label_folders, rgb_topic, depth_topic)
    setting = _setting(bundle, Device.CPU, None, backbone_weights)
    scores, told = try_engines(
        bundle, setting, bag_material(bags, frames), bag_material(test, options)
    )
    _CONSOLE.print(engines_table(scores))
    _CONSOLE.print(told, soft_wrap=True)


@app.command('simulate')
def simulate_command(
    output: Annotated[Path, typer.Argument(help='Folder for train/ and test/; made here.')],
    change: Annotated[
        list[str] | None, typer.Option('--set', help='seconds=5; may be repeated.')
    ] = None,
) -> None:
    """Record household objects with a simulated Kinect, with a few labels."""
    from training.recipe import read_settings
    from training.simulation import SimulationSettings, simulate

    settings = read_settings(SimulationSettings, {}, change or [], 'simulation')
    with Progress(console=_CONSOLE) as progress:
        task = progress.add_task('frames')
        simulate(settings, output, lambda done, of: progress.update(task, completed=done, total=of))
    _CONSOLE.print(f'recordings: {output}/train, {output}/test', soft_wrap=True)


@app.command()
def demo(
    output: Annotated[
        Path, typer.Option('--output', '-o', help='Folder for everything it makes.')
    ] = Path('.demo'),
    device: DeviceOption = Device.AUTO,
) -> None:
    """Simulate, learn with 5 % labels, and label live while each sensor in turn is lost."""
    from training.demo import run_demo  # needs ROS, which the other commands do without

    run_demo(output, torch_device(device), _CONSOLE)


app.command()(label)
app.command()(annotate)
app.command()(paper)


def main() -> None:
    """Run the command; what is wrong with the input is one line and exit code 2."""
    # Not rich's: it would break each line where it takes the terminal, or a file, to end.
    logging.basicConfig(level=logging.WARNING, format='%(levelname)s %(message)s')
    try:
        app()
    except MMPerceptionError as error:
        _tell(error)
        sys.exit(2)
    except StoppedError as error:
        _tell(error)
        sys.exit(130)


def _tell(error: Exception) -> None:
    """Say what ended the command; of processes that train together, one does."""
    if 'TORCHELASTIC_RUN_ID' in os.environ:
        from training.fitting.distributed import is_first_to_tell

        if not is_first_to_tell():
            return
    sys.stderr.write(f'train: {error}\n')


def _refuse_together(wrong: bool, of: str, options: Mapping[str, object]) -> None:
    """Refuse options that would be ignored."""
    given = [name for name, value in options.items() if value]
    if wrong and given:
        raise SettingsError(f'{given[0]}: is an option for {of}; leave it out')


def _setting(output: Path, device: Device, cache: Path | None, weights: Path | None) -> Setting:
    from training.session import Setting

    return Setting(output, torch_device(device), features_folder(cache), weights, console=_CONSOLE)
