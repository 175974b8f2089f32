# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The page in a real browser: from nothing to a trained bundle, by the keyboard."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sitting_process import PATIENCE, Sitting, Sittings

from mm_perception.bundle import Bundle

selenium = pytest.importorskip('selenium', reason='selenium is not installed')

from selenium import webdriver  # noqa: E402 - once it is there
from selenium.webdriver.common.action_chains import ActionChains  # noqa: E402 - as above
from selenium.webdriver.common.keys import Keys  # noqa: E402 - as above

FLAGS = (
    *('--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run'),
    *('--disable-background-networking', '--disable-component-update', '--disable-sync'),
)


pytestmark = pytest.mark.timeout(600)  # six programs start one after the other


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[webdriver.Chrome]:
    chromium = shutil.which('chromium') or shutil.which('chromium-browser')
    driver = shutil.which('chromedriver')
    if not chromium or not driver:
        pytest.skip('no chromium with its chromedriver here (Debian: chromium chromium-driver)')
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in (*FLAGS, f'--user-data-dir={tmp_path / "browser"}', '--window-size=1280,900'):
        options.add_argument(flag)
    options.set_capability('goog:loggingPrefs', {'browser': 'ALL'})
    with webdriver.Chrome(options, webdriver.ChromeService(driver)) as chrome:
        yield chrome


class Page:
    """What a person does, and sees."""

    def __init__(self, browser: webdriver.Chrome) -> None:
        self.browser = browser

    def press(self, *keys: str) -> None:
        ActionChains(self.browser).send_keys(*keys).perform()

    def press_with_control(self, key: str) -> None:
        ActionChains(self.browser).key_down(Keys.CONTROL).send_keys(key).key_up(
            Keys.CONTROL
        ).perform()

    def text(self, selector: str) -> str:
        return self.browser.find_element('css selector', selector).text

    def until(self, right: Callable[[], Any], what: str) -> None:
        deadline = time.monotonic() + PATIENCE
        while not right():
            assert time.monotonic() < deadline, f'{what}; {self.text("body")}'
            time.sleep(0.05)

    def until_labelled(self, frames: int) -> None:
        said = f'{frames} of 24 frames labelled'
        self.until(lambda: self.text('#progress-text') == said, said)

    @property
    def selected(self) -> str:
        """What a screen reader says of where the keyboard is."""
        return self.browser.switch_to.active_element.get_attribute('aria-label') or ''

    @property
    def asked_first(self) -> str:
        """What is said of the first tile in the queue."""
        tile = "document.querySelector('#queue .tile')"
        return str(self.browser.execute_script(f"return {tile}.getAttribute('aria-label')"))


def test_from_nothing_to_a_bundle_by_the_keyboard_with_a_kill_in_between(
    browser: webdriver.Chrome, sittings: Sittings
) -> None:
    page = Page(browser)
    browser.get(sittings.fresh.address)
    page.until_labelled(0)
    page.press('?')
    assert browser.find_element('id', 'help').is_displayed()
    page.press(Keys.ESCAPE)
    leave_what_nobody_can_tell(page)
    label_everything(page)
    page.press('u')
    page.until(lambda: not page.text('#progress-text').startswith('24'), 'undone')
    before = page.text('#progress-text')
    sittings.running.kill()
    page.until(lambda: 'does not answer' in page.text('#alert'), 'told of the server')
    browser.get(sittings.running.address)
    page.until(lambda: page.text('#progress-text') == before, 'all steps are there')
    (sittings.folder / 'labels.csv').open('a').write('\n')  # as an editor might
    page.press('1')
    page.until(lambda: 'changed by another program' in page.text('#alert'), 'refused')
    label_everything(page)
    assert not browser.find_element('id', 'alert').is_displayed()
    check_labels(sittings.running)
    page.press_with_control(Keys.ENTER)
    page.press('z')  # a name begun for what the new model then moves away
    page.until(lambda: page.text('#train').startswith('Train again'), 'trained')
    page.press(Keys.ENTER)
    page.until(lambda: 'has moved the frames' in page.text('#alert'), 'told of the model')
    check_labels(sittings.running)
    assert page.text('#accuracy tr') == 'both RGB depth'
    page.press(Keys.ARROW_RIGHT)  # from the whole group to its first stretch
    page.until(lambda: page.text('#preview-guess').startswith('The model says'), 'a guess')
    assert sittings.running.ask('/report').status == 200
    bundle = Bundle.load(sittings.folder / 'model' / 'bundle')
    assert bundle.manifest.classes == ('bowl', 'plate')
    expected = ('ERR_CONNECTION_REFUSED', '409 (Conflict)')  # of the kill, of the editor
    faults = [line['message'] for line in browser.get_log('browser')]
    assert [fault for fault in faults if not any(why in fault for why in expected)] == []


def leave_what_nobody_can_tell(page: Page) -> None:
    """By the key, and by the button: the next one is asked about; undo brings it back."""
    first = page.asked_first
    page.press('x')
    page.until(lambda: page.asked_first != first, 'went on by the key')
    second = page.asked_first
    page.browser.find_element('id', 'leave').click()
    page.until(lambda: page.asked_first not in {first, second}, 'went on by the button')
    assert page.text('#progress-text') == '0 of 24 frames labelled'
    page.press('u')
    page.until(lambda: page.asked_first == second, 'one is back')
    page.press('u')
    page.until(lambda: page.asked_first == first, 'both are back')


def label_everything(page: Page) -> None:
    """Go through the queue: type a class that is new, press the key of one that is not."""
    while 'plate' in page.selected or 'bowl' in page.selected:
        before = page.text('#progress-text')
        name = 'plate' if page.selected.startswith('plate') else 'bowl'
        known = page.text('#classes').split()
        if name in known:
            page.press(known[known.index(name) - 1])
        else:
            page.press(*name, Keys.ENTER)
        page.until(lambda: page.text('#progress-text') != before, f'{name} labelled')  # noqa: B023 - called at once
        if page.text('#progress-text').startswith('24 '):
            return


def check_labels(served: Sitting) -> None:
    """Each recording shows one thing, and its name tells which."""
    layout, state = served.ask('/api/layout').json, served.state
    for stretch, (number, labelled, mixed) in zip(
        layout['stretches'], state['labels'], strict=True
    ):
        name = layout['recordings'][stretch['recording']].split('_')[0]
        assert (state['classes'][number]['name'], mixed) == (name, False)
        assert labelled == stretch['last'] - stretch['first'] + 1
