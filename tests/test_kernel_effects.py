"""Effects in a real kernel: by the name alone, once, and never silently again after a crash."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.kernels import Kernel
from tests.test_kernel_holds import verdicts

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.process

SEND = """\
#@task send --effect
import os, sys
out = os.open("outbox", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
_ = os.write(out, f"{report}\\n".encode())
os.close(out)
if os.path.exists("die"):
    os.kill(os.getpid(), 9)
"""
CELLS = {
    "load": "%load_ext nbflow",
    "late": "LATE = 15",
    "report": "#@task report\nreport = LATE * 2",
    "send": SEND,
    "after": "#@task after\nafter = [report, out]",
}


@pytest.fixture
def kernel(tmp_path: Path) -> Iterator[Kernel]:
    """A kernel in which the cells above ran."""
    with Kernel(tmp_path) as kernel:
        kernel.begin(**CELLS)
        yield kernel


def sent(kernel: Kernel) -> list[str]:
    """What the effect has done outside."""
    return (kernel.folder / "outbox").read_text().split()


def die(kernel: Kernel) -> None:
    """Run the effect, in which the kernel dies, and restart."""
    (kernel.folder / "die").touch()
    kernel.save()
    kernel.send(kernel.cells["send"], "send")
    kernel.manager.provisioner.process.wait()  # type: ignore[union-attr]
    (kernel.folder / "die").unlink()
    kernel.restart()


class TestOnce:
    """The same code on the same inputs has its effect once."""

    def test_whatever_runs(self, kernel: Kernel) -> None:
        """Its cell, its name, everything, with force, and Run All in the next kernel."""
        shown = kernel.run("send")
        assert re.search(r"sent \d+:\d+, not repeated", shown.text)
        kernel.execute("%flow run send")
        kernel.execute("%flow run --force")
        kernel.restart()
        assert [shown.error for shown in kernel.run_all()] == [""] * len(CELLS)
        assert sent(kernel) == ["30"]
        assert "not repeated" in kernel.execute("%flow why send").text

    def test_other_inputs_wait_for_its_name(self, kernel: Kernel) -> None:
        """And so does what is below it; the message says how."""
        kernel.run("late", "LATE = 18")
        shown = kernel.execute("%flow run")
        assert "`%flow run send` runs it" in shown.text
        assert {verdicts(kernel)[name] for name in ("send", "after")} == {"waits"}
        refused = kernel.run("after")
        assert "upstream send waits" in refused.text + refused.error
        assert sent(kernel) == ["30"]
        kernel.execute("%flow run send")
        kernel.execute("%flow run")
        assert sent(kernel) == ["30", "36"]
        assert verdicts(kernel)["after"] == "fresh"

    def test_a_copy_of_the_notebook(self, kernel: Kernel) -> None:
        """It has been sent for the same code and inputs, and says by whom."""
        kernel.path = kernel.folder / "copy.ipynb"
        kernel.restart()
        shown = kernel.run_all()
        assert sent(kernel) == ["30"]
        assert re.search(r"sent \d+:\d+ by nb.ipynb, not repeated", shown[3].text)

    @pytest.mark.parametrize(
        ("option", "value"), [(" --persist no", "list(range(30_000))"), ("", "(x for x in [1])")]
    )
    def test_a_value_that_is_lost(self, kernel: Kernel, option: str, value: str) -> None:
        """Nothing repeats it for that but force, and the name says so."""
        kernel.run("send", f"{SEND.replace('--effect', '--effect' + option)}\ngot = {value}")
        kernel.restart()
        kernel.run_all()
        assert sent(kernel) == ["30"] * 2
        told = "only `%flow run send --force` makes it again, and repeats its effect"
        assert told in kernel.execute("iter(got)").error
        kernel.run("send")
        assert sent(kernel) == ["30"] * 2
        kernel.execute("%flow run send --force")
        assert sent(kernel) == ["30"] * 3
        assert kernel.execute("iter(got)").error == ""

    def test_force_by_name(self, kernel: Kernel) -> None:
        """Who says so means it."""
        kernel.execute("%flow run send --force")
        assert sent(kernel) == ["30", "30"]

    def test_not_by_itself(self, kernel: Kernel) -> None:
        """Reactive mode and audits leave it alone."""
        kernel.execute("%flow auto on")
        kernel.run("late", "LATE = 18")
        assert kernel.ask("report") == 36
        kernel.execute("%flow audit")
        assert sent(kernel) == ["30"]


class TestCrash:
    """The kernel dies in an effect."""

    def test_it_is_not_repeated_silently(self, kernel: Kernel) -> None:
        """Run All in the next kernel leaves it; it says why, and how it runs all the same."""
        kernel.run("late", "LATE = 18")
        kernel.execute("%flow run report")
        die(kernel)
        assert sent(kernel) == ["30", "36"]
        shown = kernel.run_all()
        assert "send was not run: nobody knows whether it has happened" in shown[-1].error
        assert sent(kernel) == ["30", "36"]
        assert "`%flow run send --force` runs it anyway" in kernel.execute("%flow status").text
        kernel.execute("%flow run send")
        assert sent(kernel) == ["30", "36"]
        kernel.execute("%flow run send --force")
        assert sent(kernel) == ["30", "36", "36"]
        assert verdicts(kernel)["send"] == "fresh"


class TestAlways:
    """Each run that reaches it repeats it."""

    def test_by_its_cell_and_its_name(self, kernel: Kernel) -> None:
        """And not with everything."""
        kernel.run("send", SEND.replace("--effect", "--effect always"))
        kernel.run("send")
        kernel.execute("%flow run send")
        kernel.execute("%flow run")
        assert sent(kernel) == ["30"] * 4


class TestHeader:
    """How it is written."""

    def test_what_contradicts_itself(self, kernel: Kernel) -> None:
        """One line says what to write instead."""
        shown = kernel.run("send", SEND.replace("--effect", "--effect --no-cache"))
        assert "say effect `always`" in shown.error or "say `always`" in shown.error
        shown = kernel.run("send", SEND.replace("--effect", "--effect once --retries 2 --timeout 5"))
        assert "retries might repeat it" in shown.error
        assert (
            "unknown effect 'twice'" in kernel.run("send", SEND.replace("--effect", "--effect=twice")).error
        )

    def test_a_note_where_it_is_missing(self, kernel: Kernel) -> None:
        """A body that visibly writes outside is told so, once, in its badge."""
        shown = kernel.run("post", "#@task post\nimport requests\nif not LATE: requests.post('http://a')")
        assert (
            "changes something outside (requests.post); --effect keeps it from being repeated" in shown.text
        )

    @pytest.mark.parametrize("line", ["subprocess.run(['sh', '-c', {!r}])", "os.system({!r})", "!{}"])
    def test_a_note_on_a_program(self, kernel: Kernel, line: str) -> None:
        """What it was seen to write is named; what is not seen, or not sure, the header may say."""
        for command, advice in (
            ("true", "--writes FILE, if it writes one"),
            ("seq 2 > found.txt", "found.txt counts as written"),
            ("seq 3 > found.txt", "--writes found.txt, if it does not read that"),
        ):
            text = f"#@task program\nimport os, subprocess\n{line.format(command)}\nx = {command!r}"
            shown = kernel.run("program", text)
            assert "starts a program (" in shown.text
            assert f"); {advice}; --effect, if it changes anything else" in shown.text

    def test_no_note_on_a_program_whose_files_are_named(self, kernel: Kernel) -> None:
        """It has said what it does."""
        shown = kernel.run("program", "#@task program --writes out.txt\n!seq 2 > out.txt\nx = 1")
        assert re.fullmatch(r"program: fresh · ran in [\d.]+ m?s", shown.text)

    def test_as_a_function(self, kernel: Kernel) -> None:
        """`@task(effect="once")`."""
        text = 'from nbflow import task\n@task(effect="once")\ndef tell(report):\n    print("told", report)'
        kernel.run("function", text)
        kernel.execute("%flow run tell")
        assert verdicts(kernel)["tell"] == "fresh"
        kernel.run("late", "LATE = 18")
        kernel.execute("%flow run")
        assert verdicts(kernel)["tell"] == "waits"

    def test_a_function_whose_cell_looks_at_what_it_writes(self, tmp_path: Path) -> None:
        """It has happened once, and is not said to be unsure; the reason names the cell that is stale."""
        text = "from os.path import exists\nfrom nbflow import task\nwas = exists('sent')\n"
        text += "@task(effect='once')\ndef tell(who):\n    with open('sent', 'a') as file:\n"
        text += "        file.write(who)\n    return 'sent'"
        with Kernel(tmp_path) as kernel:
            kernel.set(load="%load_ext nbflow", who="who = 'bob'", tell=text, read="tell()")
            *_, shown = kernel.run_all()
            said = "SessionError: tell() has no value that is up to date: only you start it: "
            assert shown.error == f"{said}`%flow run tell` runs it; upstream cell [3] is stale"
            assert kernel.run("read").text == "'sent'"
            assert (tmp_path / "sent").read_text() == "bob"

    def test_a_function_that_adds_to_a_file(self, tmp_path: Path) -> None:
        """Its value is up to date, although the file is another now, for each input once."""
        text = "from nbflow import task\n@task(effect='once')\ndef tell(who):\n"
        text += "    open('sent', 'a').write(who)\n    return 'sent'"
        with Kernel(tmp_path) as kernel:
            kernel.set(load="%load_ext nbflow", who="who = 'bob'", tell=text, read="tell()")
            assert kernel.run_all()[-1].text == "'sent'"
            kernel.run("who", "who = 'ann'")
            assert [kernel.run("read").text for _ in range(2)] == ["'sent'", "'sent'"]
            assert (tmp_path / "sent").read_text() == "bobann"
