"""What the user picked, as pages and figures use it: from the sidebar, a link or a recipe."""

from __future__ import annotations

from dataclasses import dataclass, field

from dashboard.theme import Mode
from ptlib.plms import PlmInfo
from ptlib.runs import Selection


@dataclass(frozen=True)
class View:
    """The selection as pages use it."""

    plm: PlmInfo
    tasks: list[str]
    sources: list[str]
    seeds: list[int]
    limit: int | None
    indicator: str
    layers: list[int] | None
    selection: Selection
    mode: Mode
    published: bool = False
    """Whether scores are those that came with an import; they are never mixed with measured ones."""
    further: list[str] = field(default_factory=list)
    """Prompts trained here that were picked one by one."""

    @property
    def n(self) -> str:
        """Examples a cell, in words."""
        if self.published:
            return "as published, n not recorded"
        return "the whole test split" if self.limit is None else f"the first {self.limit} test examples"
