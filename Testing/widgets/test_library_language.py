"""What the library says, in the language of the application."""

from __future__ import annotations

import logging
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from time import thread_time

import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from meddl.core import Image, InputError, read_image
from meddl.core.progress import steps
from meddl.deepdrr import CArm, RegistrationParameters, register
from properties import examples
from SlicerMedDLLib import translation
from SlicerMedDLLib.librarytexts import TEXTS
from SlicerMedDLLib.processes import PanelProcess
from SlicerMedDLLib.tasks import TaskRunner
from SlicerMedDLLib.translation import said, translated
from waiting import BLOCK, until
from widgets.languages import mark, spoken


@pytest.fixture
def language(scene):
    """Lets the application speak a language of the library's texts; by default it marks them."""
    with ExitStack() as stack:
        yield lambda function=mark: stack.enter_context(spoken(function, translation.CONTEXT))


def test_every_text_is_found_in_its_messages_and_comes_back(scene):
    assert len(TEXTS) > 1000
    for text in TEXTS:
        number = count(10)
        fields = [name for _, name, *_ in translation.Formatter().parse(text) if name is not None]
        message = text.format(**{name: f"{next(number)} mm" for name in fields})
        assert translation._found(message) is not None
        assert translated(message) == message


def test_errors_are_translated_and_their_values_kept(language, tmp_path):
    language()
    missing = tmp_path / "a b.nii.gz"
    for work, expected in (
        (lambda: read_image(missing), f"<<image> not found: {missing} (folder {Path.cwd()})>"),
        (
            lambda: RegistrationParameters(starts=0),
            "<--starts is 0, at least 1 was expected>",
        ),
    ):
        with pytest.raises(InputError) as caught:
            work()
        assert said(caught.value) == expected
        assert str(caught.value) == expected.replace("<", "").replace(">", "")


def test_words_of_the_library_within_a_message_are_translated(language):
    language()
    assert translated("ranking random starts 3/200") == "<ranking random starts> 3/200"
    assert translated("/x.nii.gz: no file matches y*") == "/x.nii.gz: <no file matches y*>"
    assert translated("reading /x.nii.gz") == "<reading /x.nii.gz>"


def test_the_order_of_values_is_the_translators(language):
    text = "the radiograph has {width}x{height} pixels, the camera {size}x{size2}; "
    text += "give the camera of this picture"
    assert text in TEXTS
    language(lambda one: "{size}, {size2}: {height}, {width}" if one == text else None)
    carm = CArm(detector_size=(24, 20))
    picture = Image(np.ones((1, 30, 40), np.float32))
    ct = Image(np.zeros((4, 4, 4), np.float32))
    with pytest.raises(InputError) as caught:
        register(ct, picture, carm.camera())
    assert said(caught.value) == "24, 20: 30, 40"


def test_other_texts_stay(language):
    language()
    for text in ("", "Done in 3.2 s", "Radiographie de 3 volumes", "cannot cast {x}", "{", "%s"):
        assert translated(text) == text


@examples(50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(TEXTS) | st.text(max_size=30), max_size=4).map(": ".join))
def test_any_message_comes_back_but_for_the_marks(scene, message):
    assert translated(message) == message
    with spoken(lambda text: f"\0{text}\0", translation.CONTEXT):
        assert translated(message).replace("\0", "") == message.replace("\0", "")


@pytest.mark.parametrize("wrong", ["{pfad} fehlt", "{path", "", "{path} {path2}", "{0}"])
def test_a_translation_with_other_fields_is_left_aside(language, caplog, wrong):
    text = "there is no folder {path}"
    assert text in TEXTS
    language(lambda one: wrong if one == text else None)
    with caplog.at_level(logging.WARNING):
        assert translated("there is no folder x/y") == "there is no folder x/y"
    assert "other fields" in caplog.text


def test_a_task_says_all_in_the_language(language):
    language()
    seen, logged, errors, ended = [], [], [], []

    def work(progress, cancel):
        logging.getLogger("meddl.test").warning(
            "%s ends after about %d of %d frames", "x.avi", 2, 9
        )
        for _item in steps(range(2), 2, "ranking random starts", progress, cancel):
            until(lambda: True)
        RegistrationParameters(starts=0)

    runner = TaskRunner(errors.append, poll=1)
    runner.run(
        work,
        on_done=ended.append,
        on_progress=lambda fraction, message: seen.append(message),
        on_log=logged.append,
        on_error=ended.append,
    )
    until(lambda: ended)
    assert errors == ended == ["<--starts is 0, at least 1 was expected>"]
    assert seen[-1] == "<ranking random starts> 2/2"
    assert logged == ["<x.avi ends after about 2 of 9 frames>"]


def test_a_command_says_all_in_the_language(language):
    language()

    class Panel:
        def __init__(self):
            self.lines, self.shown, self.errors = [], [], []

        def log(self, line):
            self.lines.append(line)

        def showProgress(self, fraction, message):
            self.shown.append(message)

        def showError(self, text):
            self.errors.append(text)

        def finishProgress(self, status):
            self.shown.append(status)

    panel = Panel()
    process = PanelProcess(panel, on_end=lambda code: "")
    process.start(["drr", "render", "/no/such.nii.gz", "--output", "x.png"])
    until(lambda: not process.busy, 60)
    assert panel.errors == [
        f"meddl: error: <<image> not found: /no/such.nii.gz (folder {Path.cwd()})>"
    ]
    assert panel.lines[-1] == panel.errors[0]


@pytest.mark.parametrize("message", ["a: b, c/d of e " * 200, "the: " * 300, "x is y, " * 200])
def test_finding_a_text_takes_no_time_that_a_window_would_notice(scene, message):
    translation._found.cache_clear()
    start = thread_time()
    translated(message)
    assert thread_time() - start < BLOCK
