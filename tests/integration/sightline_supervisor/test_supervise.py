"""Roles are started in order, kept alive, and stopped without a trace; the roles here are small Python programs."""

import asyncio
import contextlib
import io
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest
from rich.console import Console

from sightline_supervisor.errors import RoleFailed, RoleMissing, StepFailed
from sightline_supervisor.process import Launcher, describe_exit, find_command, tail
from sightline_supervisor.role import RestartPolicy, Role, Step
from sightline_supervisor.screen import Screen
from sightline_supervisor.supervise import Stopped, Supervisor

_SERVE = """
import http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers()
    def log_message(self, *_):
        pass
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""
_SLEEP = "import time; time.sleep(600)"
_QUICK = RestartPolicy(tries=2, first_delay_s=0.01, max_delay_s=0.02)


def _python(program: str, *arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-u", "-c", program, *arguments)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def _gone(pid: int, within_s: float = 5.0) -> bool:
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        with contextlib.suppress(psutil.NoSuchProcess):
            if psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
                time.sleep(0.05)
                continue
        return True
    return False


class _Run:
    def __init__(self, folder: Path, grace_s: float, hung_after_s: float) -> None:
        self.out = io.StringIO()
        self.launcher = Launcher(folder / "logs", grace_s, dict(os.environ))
        screen = Screen(Console(file=self.out, width=200))
        self.supervisor = Supervisor(self.launcher, screen, grace_s=grace_s, hung_after_s=hung_after_s)


@asynccontextmanager
async def _run(folder: Path, grace_s: float = 1.0, hung_after_s: float = 60.0) -> AsyncIterator[_Run]:
    run = _Run(folder, grace_s, hung_after_s)
    async with run.supervisor:
        yield run


def _pid(folder: Path, name: str) -> int:
    """Read the pid that a program of these tests writes into its log."""
    return int(tail(folder / "logs" / f"{name}.log", 1))


_TELL = "import os, sys; print(os.getpid(), flush=True)\n"


async def test_roles_become_healthy_in_order_and_none_is_left(tmp_path: Path) -> None:
    """The second starts when the first answers; leaving the block ends both."""
    port = _free_port()
    first = Role("first", _python(_TELL + _SERVE, str(port)), f"http://127.0.0.1:{port}/")
    check = f"import urllib.request; urllib.request.urlopen('http://127.0.0.1:{port}/').read()\n"
    second = Role("second", _python(check + _TELL + _SLEEP), start_after=("first",))
    async with _run(tmp_path) as run:
        await run.supervisor.guard(run.supervisor.start([second, first]))
        await asyncio.sleep(0.5)
        pids = [_pid(tmp_path, name) for name in ("first", "second")]
        assert all(psutil.pid_exists(pid) for pid in pids)
    assert all(_gone(pid) for pid in pids)
    assert "first ready in" in run.out.getvalue()
    assert run.supervisor.restarts() == {}


async def test_role_that_dies_is_told_and_started_again(tmp_path: Path) -> None:
    """The exit code and the end of the log are shown, and the second start lives."""
    flag = tmp_path / "flag"
    program = f"""
import pathlib, sys, time
flag = pathlib.Path({str(flag)!r})
if not flag.exists():
    flag.touch(); time.sleep(0.3); print("the reason"); sys.exit(7)
{_TELL}{_SLEEP}"""
    async with _run(tmp_path) as run:
        await run.supervisor.guard(run.supervisor.start([Role("frail", _python(program), restart=_QUICK)]))
        while run.supervisor.restarts() != {"frail": 1}:
            await asyncio.sleep(0.05)
        told = run.out.getvalue()
    assert "frail ended with exit code 7" in told
    assert "| the reason" in told
    assert "try 1 of 2" in told


async def test_killed_role_is_told_by_its_signal(tmp_path: Path) -> None:
    """Kill -9 of a role reads as SIGKILL, and it is started again."""
    async with _run(tmp_path) as run:
        await run.supervisor.guard(run.supervisor.start([Role("victim", _python(_TELL + _SLEEP), restart=_QUICK)]))
        while not (text := tail(tmp_path / "logs" / "victim.log", 1)).isdigit():
            await asyncio.sleep(0.05)
        os.kill(int(text), signal.SIGKILL)
        while run.supervisor.restarts() != {"victim": 1}:
            await asyncio.sleep(0.05)
    assert "victim was ended by SIGKILL" in run.out.getvalue()


async def test_role_that_keeps_dying_ends_the_run(tmp_path: Path) -> None:
    """After its tries the whole stops with an error that names role, reason and log."""
    role = Role("broken", _python("raise SystemExit(5)"), "http://127.0.0.1:1/", restart=_QUICK)
    async with _run(tmp_path) as run:
        with pytest.raises(RoleFailed, match=r"broken ended with exit code 5, started 3 times.*broken\.log"):
            await run.supervisor.guard(run.supervisor.start([role]))


async def test_role_that_is_not_required_gives_up_quietly(tmp_path: Path) -> None:
    """The run goes on without it."""
    policy = RestartPolicy(tries=0, required=False)
    role = Role("extra", _python("raise SystemExit(5)"), "http://127.0.0.1:1/", restart=policy)
    async with _run(tmp_path) as run:
        await run.supervisor.guard(run.supervisor.start([role]))
        assert not run.supervisor.is_up("extra")


async def test_silent_role_is_taken_for_hung_and_started_again(tmp_path: Path) -> None:
    """A role that lives but answers nothing (here: stopped by SIGSTOP) is ended and started again."""
    port = _free_port()
    role = Role("still", _python(_TELL + _SERVE, str(port)), f"http://127.0.0.1:{port}/", restart=_QUICK)
    async with _run(tmp_path, grace_s=0.3, hung_after_s=0.5) as run:
        await run.supervisor.guard(run.supervisor.start([role]))
        os.kill(_pid(tmp_path, "still"), signal.SIGSTOP)
        while run.supervisor.restarts() != {"still": 1}:
            await asyncio.sleep(0.05)
    assert "did not answer its health check" in run.out.getvalue()


async def test_stop_ends_what_ignores_sigterm_and_its_children(tmp_path: Path) -> None:
    """SIGKILL follows after the grace period, for the whole group."""
    program = f"""
import signal, subprocess, sys
signal.signal(signal.SIGTERM, signal.SIG_IGN)
DEAF = "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(600)"
child = subprocess.Popen([sys.executable, "-c", DEAF])
print(child.pid, flush=True)
{_SLEEP}"""
    async with _run(tmp_path, grace_s=0.4) as run:
        await run.supervisor.guard(run.supervisor.start([Role("stubborn", _python(program))]))
        while not (text := tail(tmp_path / "logs" / "stubborn.log", 1)).isdigit():
            await asyncio.sleep(0.05)
        begun = time.monotonic()
    assert time.monotonic() - begun < 4
    assert _gone(int(text))


async def test_roles_stop_in_reverse_order(tmp_path: Path) -> None:
    """The one that was started last ends first, so that what it sends still finds its receiver."""
    order = tmp_path / "order"
    program = f"""
import signal, sys, time
def end(*_):
    with open({str(order)!r}, "a") as out: out.write(sys.argv[1] + "\\n")
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
print("ok", flush=True)
time.sleep(600)"""
    names = ["store", "collector", "app"]
    async with _run(tmp_path) as run:
        await run.supervisor.guard(run.supervisor.start([Role(name, _python(program, name)) for name in names]))
        while not all(tail(tmp_path / "logs" / f"{name}.log", 1) == "ok" for name in names):
            await asyncio.sleep(0.05)
    assert order.read_text().split() == names[::-1]


async def test_ctrl_c_ends_the_guarded_work(tmp_path: Path) -> None:
    """SIGINT raises `Stopped` in whatever the supervisor is doing."""
    async with _run(tmp_path) as run:
        asyncio.get_running_loop().call_later(0.1, os.kill, os.getpid(), signal.SIGINT)
        with pytest.raises(Stopped, match="SIGINT"):
            await run.supervisor.run_until_stopped()


async def test_step_gives_its_output_and_refuses_a_bad_end(tmp_path: Path) -> None:
    """Standard output is the result; a code that is not allowed is an error with the end of the log."""
    async with _run(tmp_path) as run:
        good = await run.supervisor.run_step(Step("good", "trying", _python("print('{}')")))
        assert (good.code, good.stdout) == (0, "{}\n")
        bad = Step("bad", "trying", _python("import sys; print('no luck', file=sys.stderr); sys.exit(3)"))
        with pytest.raises(StepFailed, match=r"(?s)bad ended with exit code 3.*no luck"):
            await run.supervisor.run_step(bad)
        allowed = Step("bad", "trying", bad.command, allowed_codes=frozenset({0, 3}))
        assert (await run.supervisor.run_step(allowed)).code == 3


async def test_step_may_draw_a_progress_bar(tmp_path: Path) -> None:
    """Standard error of a step is a terminal, and its last state is what the log's tail shows."""
    program = """
import sys, time
assert sys.stderr.isatty()
for share in (10, 50, 100):
    sys.stderr.write(f"\\r{share} %"); sys.stderr.flush(); time.sleep(0.05)
sys.stderr.write("\\n")"""
    async with _run(tmp_path) as run:
        await run.supervisor.run_step(Step("bar", "drawing", _python(program)))
    assert tail(tmp_path / "logs" / "bar.log", 1) == "100 %"


async def test_child_with_a_session_of_its_own_ends_with_its_role(tmp_path: Path) -> None:
    """A role that is killed leaves no server behind that would hold its port."""
    program = f"""
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", {_SLEEP!r}], start_new_session=True)
print(child.pid, flush=True)
child.wait()"""
    async with _run(tmp_path) as run:
        policy = RestartPolicy(tries=0, required=False)
        await run.supervisor.guard(run.supervisor.start([Role("parent", _python(program), restart=policy)]))
        while not (text := tail(tmp_path / "logs" / "parent.log", 1)).isdigit():
            await asyncio.sleep(0.05)
        os.kill(psutil.Process(int(text)).ppid(), signal.SIGKILL)
        assert await asyncio.to_thread(_gone, int(text))


def test_nothing_outlives_a_supervisor_that_was_killed(tmp_path: Path) -> None:
    """Kill -9 of the supervisor ends a role, one that ignores SIGTERM, and their children."""
    program = f"""
import asyncio, os, sys
from pathlib import Path
from sightline_supervisor import Role, Supervisor
from sightline_supervisor.process import Launcher
from sightline_supervisor.screen import Screen
ROLE = '''
import os, signal, subprocess, sys
if len(sys.argv) > 1: signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=len(sys.argv) > 1)
print(os.getpid(), child.pid, flush=True)
child.wait()
'''
async def main():
    async with Supervisor(Launcher(Path({str(tmp_path)!r}), 0.5, os.environ), Screen()) as supervisor:
        roles = [Role("mild", (sys.executable, "-c", ROLE)), Role("hard", (sys.executable, "-c", ROLE, "x"))]
        await supervisor.guard(supervisor.start(roles))
        print("up", flush=True)
        await supervisor.run_until_stopped()
asyncio.run(main())
"""
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"up\n"
            pids: list[int] = []
            deadline = time.monotonic() + 10
            while len(pids) < 4 and time.monotonic() < deadline:
                lines = [tail(tmp_path / f"{name}.log", 1) for name in ("mild", "hard")]
                pids = [int(word) for line in lines if not line.startswith("-") for word in line.split()]
                time.sleep(0.05)
            assert len(pids) == 4
        finally:
            process.kill()
    assert all(_gone(pid) for pid in pids)


def test_missing_console_script_says_what_to_install() -> None:
    """The message names the extra."""
    with pytest.raises(RoleMissing, match=r"sightline-platform\[embedded\]"):
        find_command("sightline-no-such-role", "embedded")


def test_exit_codes_are_told_in_words() -> None:
    """Codes and signals read differently."""
    assert describe_exit(1) == "ended with exit code 1"
    assert describe_exit(-9) == "was ended by SIGKILL"
    assert describe_exit(-200) == "was ended by signal 200"


def test_tail_shows_a_progress_bar_by_its_last_state(tmp_path: Path) -> None:
    """Carriage returns overwrite, as they do on a terminal."""
    log = tmp_path / "x.log"
    log.write_bytes(b"one\n\n 10%\r 50%\r100%\n")
    assert tail(log) == "one\n100%"
    assert tail(tmp_path / "none.log") == ""
