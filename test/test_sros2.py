# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The SROS 2 policy against the presets and the real node: all that is needed, and no more.

That the middleware enforces it is tested in test/ros, where the middleware can.
"""

from __future__ import annotations

import json
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from bundles import make_bundle

from mm_perception.interface.cameras import INPUTS, Camera, load_camera
from mm_perception.interface.parameters import BY_NAME
from training.live.environment import live_environment, private_domain

CONFIG = Path(__file__).parent.parent / 'config'
POLICY = CONFIG / 'sros2' / 'policy.xml'
PRESETS = sorted(path.stem for path in (CONFIG / 'cameras').glob('*.yaml'))
ENCLAVE = '/mm_perception'
INCLUDE = '{http://www.w3.org/2001/XInclude}include'

# What each element holds, and the attributes that it has to have: sros2's policy.xsd, 0.2.0. Of
# the rules a list of expressions has at least one.
CHILDREN = {
    'policy': {'enclaves'},
    'enclaves': {'enclave'},
    'enclave': {'profiles'},
    'profiles': {'profile'},
    'profile': {'topics', 'services'},
    'topics': {'topic'},
    'services': {'service'},
    'topic': set(),
    'service': set(),
}
ATTRIBUTES = {'policy': {'version'}, 'enclave': {'path'}, 'profile': {'ns', 'node'}}
RULES = {'topics': {'publish', 'subscribe'}, 'services': {'request', 'reply'}}

COMMON = {'/clock', '/detections'}  # heard whatever the camera

Granted = dict[str, set[str]]


def parsed(path: Path) -> ET.Element:
    return ET.parse(path).getroot()  # noqa: S314 - a file of our own


def read(path: Path = POLICY) -> ET.Element:
    """Read a policy as sros2 does: with what it includes."""
    root = parsed(path)
    for profile in root.iter('profile'):
        for included in profile.findall(INCLUDE):
            assert included.get('xpointer') == 'xpointer(/profile/*)'
            place = list(profile).index(included)
            profile.remove(included)
            for child in reversed(parsed(path.with_name(included.attrib['href']))):
                profile.insert(place, child)
    return root


def resolved(name: str, namespace: str, node: str) -> str:
    """Give a policy's or a preset's name in full."""
    if name.startswith('/'):
        return name
    place = namespace.rstrip('/')
    return f'{place}/{node}/{name[2:]}' if name.startswith('~/') else f'{place}/{name}'


def granted(path: str, namespace: str | None = None) -> Granted:
    """What an enclave's node may publish, subscribe to, reply to and request, by full name."""
    found: Granted = {rule: set() for rules in RULES.values() for rule in rules}
    (enclave,) = (e for e in read().iter('enclave') if e.get('path') == path)
    (profile,) = enclave.iter('profile')
    place = profile.attrib['ns'] if namespace is None else namespace
    for expressions in profile:
        for rule in expressions.attrib:
            found[rule] |= {
                resolved(e.text or '', place, profile.attrib['node']) for e in expressions
            }
    return found


def heard_from(camera: Camera) -> set[str]:
    """Every topic that a camera's images can come on, by any transport, and its camera_info."""
    topics = {name: resolved(camera.remappings.get(name, name), '/', '') for name in INPUTS}
    for modality in ('rgb', 'depth'):
        image = topics[f'{modality}/image']
        for transport in BY_NAME[f'{modality}_transport'].choices:
            suffix = '' if transport == 'raw' else f'/{transport}'
            topics[f'{modality} {transport}'] = image + suffix
    return set(topics.values())


# The format --------------------------------------------------------------------------------------


def test_the_policy_is_of_sros2s_format() -> None:
    root = read()
    assert root.tag == 'policy'
    assert root.get('version') == '0.2.0'
    for element in root.iter():
        assert {child.tag for child in element} <= CHILDREN[element.tag]
        assert len(element) or not CHILDREN[element.tag]
        rules = set(element.attrib) - ATTRIBUTES.get(element.tag, set())
        assert set(element.attrib) >= ATTRIBUTES.get(element.tag, set())
        assert rules <= RULES.get(element.tag, set())
        assert bool(rules) == (element.tag in RULES)
        assert {element.get(rule) for rule in rules} <= {'ALLOW'}


def test_no_rule_stands_for_more_than_one_name() -> None:
    names = [e.text or '' for e in read().iter() if e.tag in ('topic', 'service')]
    assert names
    assert [name for name in names if not name or set(name) & set('*?[]{}')] == []


def test_sros2_itself_accepts_the_policy() -> None:
    sros2 = pytest.importorskip('sros2.policy', reason='sros2 is not installed')
    assert sros2.load_policy(POLICY) is not None


# The cameras -------------------------------------------------------------------------------------


def test_there_is_an_enclave_for_every_preset_and_one_for_none() -> None:
    paths = [enclave.get('path') for enclave in read().iter('enclave')]
    assert sorted(paths) == [ENCLAVE, *(f'{ENCLAVE}/{preset}' for preset in PRESETS)]


@pytest.mark.parametrize('preset', PRESETS)
def test_an_enclave_hears_its_own_camera_clock_and_detections_alone(preset: str) -> None:
    camera = load_camera(preset, CONFIG / 'cameras')
    assert granted(f'{ENCLAVE}/{preset}')['subscribe'] == heard_from(camera) | COMMON


@pytest.mark.parametrize('preset', PRESETS)
def test_enclaves_differ_in_the_camera_alone(preset: str) -> None:
    of_preset, of_none = granted(f'{ENCLAVE}/{preset}'), granted(ENCLAVE)
    del of_preset['subscribe'], of_none['subscribe']
    assert of_preset == of_none


# The node ----------------------------------------------------------------------------------------

# In a process of its own: the graph of a process's second context is not always complete.
ASK = """
import json, sys, time
import rclpy
from rclpy.parameter import Parameter
from mm_perception.interface.messages import CLASSIFICATION
from mm_perception.node import PerceptionNode

rclpy.init(args=['--ros-args', *sys.argv[1:]])
node = PerceptionNode()
asked = {
    'subscribe': node.get_subscriber_names_and_types_by_node,
    'publish': node.get_publisher_names_and_types_by_node,
    'reply': node.get_service_names_and_types_by_node,
    'request': node.get_client_names_and_types_by_node,
}
used = {rule: set() for rule in asked}
for rgb, depth in (('raw', 'raw'), ('compressed', 'compressed'), ('raw', 'compressedDepth')):
    transports = {'rgb_transport': rgb, 'depth_transport': depth}
    node.set_parameters([Parameter(name, value=value) for name, value in transports.items()])
    node.start()
    assert node.state == 'active', node.refusal
    # The graph hears of a node's ends by and by, in the order in which they were made: once it
    # has the subscriptions, which are made last, it has all.
    last, end = {s.topic_name for s in node.subscriptions}, time.monotonic() + 60
    while not last <= used['subscribe']:
        assert time.monotonic() < end, (last, used)
        time.sleep(0.02)
        for rule, ask in asked.items():
            used[rule] |= {name for name, _ in ask(node.get_name(), node.get_namespace())}
    node.trigger_deactivate()
    node.trigger_cleanup()
used['optional'] = {'~/objects'} | (set() if CLASSIFICATION else {'~/classification'})
print(json.dumps({rule: sorted(names) for rule, names in used.items()}))
node.close()
rclpy.try_shutdown()
"""
NAMESPACE = '/robot/arm'


@pytest.fixture(scope='module')
def used(tmp_path_factory: pytest.TempPathFactory) -> Granted:
    """What the real node, once active, publishes and so on, over all its transports."""
    pytest.importorskip('rclpy', reason='ROS is not installed')
    model = make_bundle(tmp_path_factory.mktemp('bundle') / 'model')
    values = ('autostart:=true', 'use_sim_time:=true', f'model:={model}')
    arguments = ['-r', f'__ns:={NAMESPACE}', *(w for v in values for w in ('-p', v))]
    done = subprocess.run(
        [sys.executable, '-c', ASK, *arguments],
        env=live_environment(private_domain()),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    return {rule: set(names) for rule, names in told.items()}


@pytest.mark.parametrize('rule', ['publish', 'subscribe', 'reply', 'request'])
def test_the_policy_grants_what_the_real_node_uses_and_nothing_more(
    used: Granted, rule: str
) -> None:
    names = used[rule] | ({f'{NAMESPACE}/detections'} if rule == 'subscribe' else set())
    if rule == 'publish':  # what a library brings that is not installed here
        names = names | {resolved(name, NAMESPACE, 'mm_perception') for name in used['optional']}
    assert sorted(names) == sorted(granted(ENCLAVE, NAMESPACE)[rule])
