# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The package as ROS and pip see it: its manifest, its pins, and where its files land."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from importlib.metadata import PathDistribution
from pathlib import Path

import pytest
from catkin_pkg.package import Package, parse_package
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
SOURCES = ('mm_perception', 'training', 'launch', 'config', 'resource')
EXECUTABLES = ('perception_node', 'train')
PYTHONS = ('3.10', '3.11', '3.12', '3.13')

# Under which name rosdep or pip knows a module that is called otherwise.
PROVIDERS = {
    'backports': 'backports.zstd',
    'compression': 'backports.zstd',  # which is its name from Python 3.14 on
    'cv2': 'python3-opencv',
    'numpy': 'python3-numpy',
    'sklearn': 'scikit-learn',
    'yaml': 'python3-yaml',
}


@dataclass(frozen=True)
class Installed:
    """A prefix that the package was installed into."""

    prefix: Path

    @property
    def share(self) -> Path:
        return self.prefix / 'share' / 'mm_perception'

    @property
    def executables(self) -> Path:
        return self.prefix / 'lib' / 'mm_perception'

    @property
    def site(self) -> Path:
        return next(self.prefix.glob('lib/python3*/site-packages'))

    @property
    def metadata(self) -> PathDistribution:
        return PathDistribution(next(self.site.glob('mm_perception-*-info')))

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, 'PYTHONPATH': str(self.site), 'AMENT_PREFIX_PATH': str(self.prefix)}


def copy_of_the_sources(folder: Path) -> Path:
    """Copy what is installed, since setuptools leaves its build folders beside it."""
    checkout = folder / 'checkout'
    checkout.mkdir()
    for path in ROOT.iterdir():
        if path.is_file():
            shutil.copy2(path, checkout)
    for name in SOURCES:
        ignored = shutil.ignore_patterns('__pycache__')
        shutil.copytree(ROOT / name, checkout / name, ignore=ignored)
    return checkout


def run(*command: str | Path, cwd: Path, env: dict[str, str] | None = None) -> str:
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope='module')
def by_pip(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """What `pip install .` makes, without its dependencies."""
    folder = tmp_path_factory.mktemp('by_pip')
    pip = (sys.executable, '-m', 'pip', 'install', '--quiet', '--no-deps', '--no-index')
    options = ('--no-build-isolation', '--ignore-installed', '--prefix', folder / 'prefix')
    run(*pip, *options, '.', cwd=copy_of_the_sources(folder))
    return Installed(folder / 'prefix')


@pytest.fixture(scope='module')
def by_colcon(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """What `setup.py install` makes with the arguments that colcon gives it."""
    folder = tmp_path_factory.mktemp('by_colcon')
    prefix = folder / 'prefix'
    record = ('--record', folder / 'install.log', '--single-version-externally-managed')
    scripts = ('--install-scripts', '$base/lib/mm_perception', '--prefix', prefix)
    install = (sys.executable, 'setup.py', 'install', *record, *scripts, 'install_data')
    run(*install, cwd=copy_of_the_sources(folder))
    return Installed(prefix)


@pytest.fixture(params=['by_pip', 'by_colcon'])
def installed(request: pytest.FixtureRequest) -> Installed:
    found: Installed = request.getfixturevalue(request.param)
    return found


def manifest() -> Package:
    warnings: list[str] = []
    package = parse_package(str(ROOT / 'package.xml'), warnings=warnings)
    assert warnings == []
    return package


def pins() -> list[Requirement]:
    lines = (ROOT / 'constraints.txt').read_text(encoding='utf-8').splitlines()
    return [Requirement(line) for line in lines if not line.startswith('#')]


def modules_imported_by(folder: Path) -> set[str]:
    """Name the modules that are imported when it runs, so not for type checking alone."""
    found: set[str] = set()
    for path in folder.rglob('*.py'):
        nodes: list[ast.AST] = [ast.parse(path.read_text(encoding='utf-8'))]
        while nodes:
            node = nodes.pop()
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.add(node.module)
            elif not (isinstance(node, ast.If) and ast.unparse(node.test) == 'TYPE_CHECKING'):
                nodes += ast.iter_child_nodes(node)
    return {name.partition('.')[0] for name in found}


def test_catkin_pkg_accepts_the_manifest_as_an_ament_python_package() -> None:
    assert manifest().get_build_type() == 'ament_python'


def test_the_manifest_gives_the_version_that_pip_sees(by_pip: Installed) -> None:
    assert manifest().version == by_pip.metadata.version


def test_every_module_the_robot_imports_is_a_declared_dependency(by_pip: Installed) -> None:
    declared = {dependency.name for dependency in manifest().exec_depends}
    required = [Requirement(line) for line in by_pip.metadata.requires or []]
    declared |= {one.name for one in required if not one.marker}
    imported = modules_imported_by(ROOT / 'mm_perception') | modules_imported_by(ROOT / 'launch')
    foreign = imported - sys.stdlib_module_names - {'mm_perception'}
    assert {name for name in foreign if PROVIDERS.get(name, name) not in declared} == set()


def test_every_module_of_the_training_is_a_declared_dependency(by_pip: Installed) -> None:
    declared = {Requirement(line).name.lower() for line in by_pip.metadata.requires or []}
    declared |= {dependency.name for dependency in manifest().exec_depends}
    foreign = modules_imported_by(ROOT / 'training') - sys.stdlib_module_names
    foreign -= {'mm_perception', 'training'}
    assert {name for name in foreign if PROVIDERS.get(name, name) not in declared} == set()


@pytest.mark.parametrize('python', PYTHONS)
def test_every_requirement_has_one_pin_that_satisfies_it(by_pip: Installed, python: str) -> None:
    place = {'python_version': python, 'python_full_version': f'{python}.0'}
    pinned: dict[str, list[str]] = {}
    for pin in pins():
        if pin.marker is None or pin.marker.evaluate(place):
            (version,) = pin.specifier
            pinned.setdefault(canonicalize_name(pin.name), []).append(version.version)
    assert [name for name, versions in pinned.items() if len(versions) > 1] == []
    for line in by_pip.metadata.requires or []:
        requirement = Requirement(line)
        (version,) = pinned[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(version), line


def test_launch_files_settings_and_manifest_land_in_share(installed: Installed) -> None:
    places = [
        path.relative_to(ROOT)
        for folder in ('launch', 'config')
        for path in (ROOT / folder).rglob('*')
        if path.is_file() and '__pycache__' not in path.parts
    ]
    for place in [*places, Path('package.xml')]:
        assert (installed.share / place).read_bytes() == (ROOT / place).read_bytes()


def test_ament_finds_the_package(installed: Installed) -> None:
    ask = (
        'from ament_index_python.packages import get_package_share_directory as share;'
        "print(share('mm_perception'))"
    )
    said = run(sys.executable, '-c', ask, cwd=installed.prefix, env=installed.environment)
    assert Path(said.strip()) == installed.share


@pytest.mark.parametrize('name', EXECUTABLES)
def test_executables_stand_where_ros2_run_looks_and_lead_to_a_function(
    installed: Installed, name: str
) -> None:
    assert os.access(installed.executables / name, os.X_OK)
    (entry,) = installed.metadata.entry_points.select(name=name)
    module = installed.site.joinpath(*entry.module.split('.')).with_suffix('.py')
    functions = [
        node.name
        for node in ast.parse(module.read_text(encoding='utf-8')).body
        if isinstance(node, ast.FunctionDef)
    ]
    assert entry.attr in functions


def test_train_starts_from_where_ros2_run_looks(installed: Installed) -> None:
    # colcon's executables take the python3 of whoever starts them.
    path = f'{Path(sys.executable).parent}{os.pathsep}{os.environ["PATH"]}'
    env = {**installed.environment, 'PATH': path}
    said = run(installed.executables / 'train', '--help', cwd=installed.prefix, env=env)
    assert 'Usage: train' in said


def test_every_package_and_its_data_is_installed(installed: Installed) -> None:
    for package in ('mm_perception', 'training'):
        for path in (ROOT / package).rglob('*'):
            if path.suffix in {'.py', '.j2', '.typed', '.html', '.css', '.js', '.svg'}:
                assert (installed.site / path.relative_to(ROOT)).is_file()
