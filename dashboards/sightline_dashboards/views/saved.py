"""The file of saved views: read, changed and replaced as a whole, by any number of processes of a machine at once.

A change takes an exclusive lock on a file beside it, reads, and puts a new file in its place, which is on disk before
it gets the name. So a reader sees the state before or the one after, and no change is lost. A file that cannot be read
is left as it is: no view can be saved until a person has mended it.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

MAX_NAME_CHARS: Final = 60
MAX_VIEWS: Final = 200
"""Views of a group."""
_MAX_FILE_BYTES: Final = 4_000_000

Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_NAME_CHARS)]
Parameter = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_.-]{0,59}$")]
Value = Annotated[str, StringConstraints(max_length=2000)]


class ViewsProblem(Exception):
    """A view cannot be read, saved, renamed or removed; the message is a sentence for the reader."""


class View(BaseModel):
    """A page as its address names it.

    Attributes:
        name: unique in its group, whatever the case of its letters.
        page: its name in the URL.
        params: the parameters of its address.
        group: who sees it: readers of the same group; '' are readers without one.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Name
    page: Annotated[str, StringConstraints(pattern=r"^[a-z]{1,20}$")]
    params: dict[Parameter, Value] = Field(default_factory=dict, max_length=40)
    group: Annotated[str, StringConstraints(max_length=200)] = ""


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")

    version: Literal[1] = 1
    views: list[View] = Field(default_factory=list)


class SavedViews:
    """The views of one file.

    Args:
        path: of the file; its folder is made when the first view is saved.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def of(self, group: str) -> list[View]:
        """The views of a group, by name.

        Raises:
            ViewsProblem: the file cannot be read.
        """
        return sorted((view for view in self._read().views if view.group == group), key=lambda view: _key(view.name))

    def save(self, view: View) -> None:
        """Add a view.

        Raises:
            ViewsProblem: its name is taken, there are too many, or the file cannot be read or written.
        """
        with self._changed() as file:
            names = [_key(other.name) for other in file.views if other.group == view.group]
            if _key(view.name) in names:
                raise ViewsProblem(f"There is a view “{view.name}” already: choose another name, or remove that one.")
            if len(names) >= MAX_VIEWS:
                raise ViewsProblem(f"There are {MAX_VIEWS} views already: remove one.")
            file.views.append(view)

    def rename(self, name: str, new_name: str, group: str) -> None:
        """Give a view another name.

        Raises:
            ViewsProblem: there is none of that name, the new one is taken or no name, or the file cannot be read.
        """
        with self._changed() as file:
            place = _place(file.views, name, group)
            others = [_key(view.name) for at, view in enumerate(file.views) if view.group == group and at != place]
            renamed = view_of(new_name, file.views[place].page, file.views[place].params, group)
            if _key(renamed.name) in others:
                raise ViewsProblem(f"There is a view “{renamed.name}” already: choose another name.")
            file.views[place] = renamed

    def remove(self, name: str, group: str) -> None:
        """Remove a view.

        Raises:
            ViewsProblem: there is none of that name, or the file cannot be read.
        """
        with self._changed() as file:
            del file.views[_place(file.views, name, group)]

    def _read(self) -> _File:
        try:
            text = self.path.read_bytes()
        except FileNotFoundError:
            return _File()
        except OSError as exc:
            raise ViewsProblem(f"The file of the saved views cannot be read: {exc.strerror}.") from exc
        if len(text) > _MAX_FILE_BYTES:
            raise ViewsProblem(f"The file of the saved views is larger than {_MAX_FILE_BYTES:,} bytes.")
        try:
            return _File.model_validate_json(text)
        except ValidationError as exc:
            first = exc.errors(include_url=False, include_input=False)[0]
            place = ".".join(map(str, first["loc"]))
            where = f" at {place}" if place else ""
            raise ViewsProblem(
                f"The file of the saved views cannot be read{where}: {first['msg']}. Mend it, or move it away to begin "
                "anew: SIGHTLINE_DASHBOARDS_VIEWS_FILE names it."
            ) from exc

    @contextmanager
    def _changed(self) -> Iterator[_File]:
        """What the file holds, to change; it is replaced when the block ends without an error."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with (self.path.parent / f"{self.path.name}.lock").open("a") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                file = self._read()
                yield file
                self._replace(file)
        except OSError as exc:
            raise ViewsProblem(
                f"The file of the saved views cannot be written: {exc.strerror}. Its name is in "
                "SIGHTLINE_DASHBOARDS_VIEWS_FILE."
            ) from exc

    def _replace(self, file: _File) -> None:
        descriptor, name = tempfile.mkstemp(dir=self.path.parent, prefix=f"{self.path.name}.")
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as new:
                new.write(file.model_dump_json(indent=1))
                new.flush()
                os.fsync(new.fileno())
            Path(name).replace(self.path)
        except BaseException:
            with suppress(OSError):
                Path(name).unlink()
            raise
        folder = os.open(self.path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def view_of(name: str, page: str, params: dict[str, str], group: str) -> View:
    """Return a view of what a reader sees.

    Raises:
        ViewsProblem: it has no name, too long a one, or an address that is too long.
    """
    if not name.strip():
        raise ViewsProblem("A view needs a name.")
    if len(name.strip()) > MAX_NAME_CHARS:
        raise ViewsProblem(f"The name is too long: {MAX_NAME_CHARS} characters at most.")
    try:
        return View(name=name, page=page, params=params, group=group)
    except ValidationError as exc:
        first = exc.errors(include_url=False, include_input=False)[0]
        raise ViewsProblem(f"This view cannot be saved: {'.'.join(map(str, first['loc']))}: {first['msg']}.") from exc


def _place(views: list[View], name: str, group: str) -> int:
    place = next((at for at, view in enumerate(views) if view.group == group and _key(view.name) == _key(name)), None)
    if place is None:
        raise ViewsProblem(f"There is no view “{name}” any more.")
    return place


def _key(name: str) -> str:
    return name.strip().casefold()
