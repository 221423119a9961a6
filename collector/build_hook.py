"""Compiles the collector's extension into the wheel; where that cannot be done, the wheel is pure Python.

Hatchling runs it for each wheel, editable ones too. It calls the C compiler that CC names, else `cc`, and leaves
nothing in the checkout. The extension is a module beside the packages, for the stable ABI of CPython 3.11: one wheel
serves all later versions.

Source: https://hatch.pypa.io/latest/plugins/build-hook/custom/
"""

from __future__ import annotations

import os
import platform
import shlex
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

_SOURCE = "collector/sightline_collector/request/spelling.c"
_MODULE = "_sightline_spelling.abi3.so"
_SWITCH = "SIGHTLINE_NO_EXTENSION"
_OLDEST_MACOS = "11.0"  # the first for arm64


class ExtensionHook(BuildHookInterface):  # type: ignore[type-arg, misc]  (hatchling is there only during a build)
    """What hatchling calls before and after it writes a wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile, and tell hatchling what the wheel holds and where it runs.

        Args:
            version: "standard" or "editable".
            build_data: what the wheel is made by; changed.
        """
        reason = _obstacle()
        if reason:
            self.app.display_info(f"The wheel is pure Python: {reason}.")
            return
        self._folder = tempfile.TemporaryDirectory()
        compiled = Path(self._folder.name) / _MODULE
        try:
            subprocess.run(_command(Path(self.root) / _SOURCE, compiled), check=True, capture_output=True, text=True)
        except (OSError, subprocess.CalledProcessError) as exc:
            said = getattr(exc, "stderr", None) or str(exc)
            self.app.display_warning(
                "The collector's extension could not be compiled, so the wheel is pure Python: accepting requests "
                f"takes twice the CPU. {_SWITCH}=1 leaves it out on purpose. The compiler: {said.strip()[-500:]}"
            )
            return
        build_data["pure_python"] = False
        build_data["tag"] = f"cp311-abi3-{_platform()}"
        build_data["force_include"][str(compiled)] = _MODULE
        build_data.setdefault("force_include_editable", {})[str(compiled)] = _MODULE

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove what was compiled: the wheel holds it."""
        if hasattr(self, "_folder"):
            self._folder.cleanup()


def _obstacle() -> str:
    """Why nothing is to be compiled; '' where something is."""
    if os.environ.get(_SWITCH, "") not in {"", "0"}:
        return f"{_SWITCH} is set"
    if sys.implementation.name != "cpython" or sysconfig.get_config_var("Py_GIL_DISABLED"):
        return "this Python has no stable ABI"
    if sys.platform not in {"linux", "darwin"}:
        return f"the extension is not built on {sys.platform}"
    return ""


def _command(source: Path, target: Path) -> list[str]:
    """What compiles and links the extension."""
    compiler = shlex.split(os.environ.get("CC") or "cc")
    if sys.platform == "darwin":
        link = ["-bundle", "-undefined", "dynamic_lookup", "-arch", platform.machine()]
        link.append(f"-mmacosx-version-min={_OLDEST_MACOS}")
    else:
        link = ["-shared", "-Wl,-z,relro,-z,now,--as-needed"]  # It needs no library, not even that of C.
    include = f"-I{sysconfig.get_path('include')}"
    return [
        *compiler,
        "-std=c11",
        "-O2",
        "-fPIC",
        "-fvisibility=hidden",
        *link,
        include,
        str(source),
        "-o",
        str(target),
    ]


def _platform() -> str:
    """The platform's part of the wheel's tag."""
    if sys.platform == "darwin":
        return f"macosx_{_OLDEST_MACOS.replace('.', '_')}_{platform.machine()}"
    return sysconfig.get_platform().replace("-", "_").replace(".", "_")
