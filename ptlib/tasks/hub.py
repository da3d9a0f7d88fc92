"""Data sets of the Hugging Face hub, through the library ``datasets``. It is imported when rows are read, not before."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ptlib.errors import TaskError

if TYPE_CHECKING:
    from ptlib.tasks.readers import Row


@dataclass(frozen=True)
class HubSplit:
    """One split of a data set: hub id (or a local folder), configuration, split, revision."""

    hub: str
    split: str
    config: str | None = None
    revision: str | None = None

    def __str__(self) -> str:
        return f"{self.hub}{f'/{self.config}' if self.config else ''}, split {self.split}"

    def here(self) -> bool:
        """Whether it was read before on this machine, so that no network is needed."""
        if os.path.isdir(self.hub):
            return True
        # A look at the folder names: importing the library takes a second that no page should wait for.
        home = os.environ.get("HF_DATASETS_CACHE") or os.path.join(
            os.environ.get("HF_HOME") or Path.home() / ".cache" / "huggingface", "datasets"
        )
        return (Path(home) / self.hub.replace("/", "___").lower()).is_dir()


def read_rows(place: HubSplit, columns: tuple[str, ...]) -> list[Row]:
    """All rows of a split, counted from 1.

    Raises:
        TaskError: no such data set, configuration, split or column, no network, or a data set that needs its own code.
    """
    table = _load(place)
    absent = [name for name in columns if name not in table.column_names]
    if absent:
        raise TaskError(f"no column {absent[0]!r}", where=place, found=f"columns {sorted(table.column_names)}",
                        mend="Name the data set's own columns in fields and label_field of the TOML.")  # fmt: skip
    kept = table.select_columns(list(dict.fromkeys(columns)))
    return list(enumerate(kept, 1))


@lru_cache(maxsize=16)
def _load(place: HubSplit) -> Any:
    try:
        import datasets
    except ImportError as error:
        raise TaskError("a data set of the hub is read by the package datasets, which is not installed", where=place, mend="Install datasets, or keep the rows beside the task's TOML.") from error  # fmt: skip
    try:
        return datasets.load_dataset(place.hub, place.config, split=place.split, revision=place.revision)
    except ConnectionError as error:
        raise TaskError("the data set is not on this machine and the hub cannot be reached", where=place, found=str(error).splitlines()[0][:160],
                        mend="Connect (HF_HUB_OFFLINE unset) and read it once, or point hub at a local folder.") from error  # fmt: skip
    except Exception as error:
        # The library raises its own and builtin errors for an unknown data set, configuration, split, or a loading script.
        raise TaskError("the data set cannot be read", where=place, found=f"{type(error).__name__}: {(str(error).splitlines() or [''])[0][:200]}",
                        mend="Check hub, config, split and revision in the task's TOML.") from error  # fmt: skip
