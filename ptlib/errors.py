"""Errors a user sees: one sentence that names what, where, what was found, what was expected, and how to mend it."""

from __future__ import annotations

from typing import NamedTuple


class PtlibError(Exception):
    """Anything a user can mend. ``str()`` is the whole message; the parts stay available as attributes."""

    def __init__(
        self,
        what: str,
        *,
        where: object = None,
        found: object = None,
        expected: object = None,
        mend: str | None = None,
    ) -> None:
        self.what, self.where, self.found, self.expected, self.mend = what, where, found, expected, mend
        details = [f"{name} {value}" for name, value in (("found", found), ("expected", expected)) if value is not None]
        message = f"{where}: {what}" if where is not None else what
        message += f" ({', '.join(details)})" if details else ""
        message += "." if not message.endswith((".", "!", "?")) else ""
        super().__init__(f"{message} {mend}" if mend else message)


class PlmError(PtlibError):
    """A PLM cannot be described or loaded."""


class PromptError(PtlibError):
    """A soft prompt cannot be read or does not fit."""


class TaskError(PtlibError):
    """A task, its data or its label words are unusable."""


class StoreError(PtlibError):
    """The cache cannot be read or written."""

    transient = False
    """Whether it may pass: a full disk, a locked database."""


class RunError(PtlibError):
    """A run cannot be started, found or changed."""


class Refused(NamedTuple):
    """An item of the library that could not be read; it is shown beside the others."""

    path: str
    reason: str
