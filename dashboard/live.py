"""The pages' source of figures: what this server keeps of the store and the library, and a process beside it for what takes long."""

from __future__ import annotations

from types import SimpleNamespace

from dashboard import background, data
from dashboard.gallery import Source

LIVE: Source = SimpleNamespace(
    library=data.library, store=data.store, scores=data.scores, study=data.study, stimulations=data.stimulations, states=data.states,
    derived=data.derived, of_cells=data.of_cells, of_study=data.of_study, of_states=data.of_states, of_library=data.of_library,
    of_store=data.of_store, of_found=data.of_found, snapshot=data.snapshot, cells_of_run=data.cells_of_run, found=background.found,
)  # fmt: skip
