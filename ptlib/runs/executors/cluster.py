"""Ray as the engine: actors on its nodes keep PLMs loaded and evaluate batches; results come back to the one writer.

Settings: ``PTLIB_RAY_ADDRESS`` (a running cluster; without it one is started on this machine's loopback), ``PTLIB_RAY_GPUS`` and
``PTLIB_RAY_CPUS`` (an actor's share; 1 GPU where the cluster has any, 1 CPU), ``PTLIB_RAY_ACTORS`` (most actors). A node needs this
checkout, and the library's folders, at the same paths. Token authentication is on (``RAY_AUTH_TOKEN`` or ``RAY_AUTH_TOKEN_PATH`` for a
cluster of one's own) and Ray's dashboard off.
"""

from __future__ import annotations

import logging
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from ptlib.errors import PtlibError, RunError
from ptlib.library import Library
from ptlib.runs.executors import Event
from ptlib.runs.parcel import Batch
from ptlib.runs.plan import Cell
from ptlib.store import Store

log = logging.getLogger("ptlib.worker")
KILL_SECONDS = 3.0
"""From asking a batch to end to killing its actor."""
REACH_SECONDS = 5.0
CARRIED = ("PTLIB_LIBRARY", "PTLIB_CACHE", "PTLIB_PLM_MEMORY", "XDG_DATA_HOME")
"""Settings that actors take from here."""


class Hand:
    """The actor: one process with its own device."""

    def __init__(self) -> None:
        self._evaluator: Any = None
        self._stop: set[int] = set()

    def work(self, number: int, data: bytes) -> Iterator[Event]:
        """A batch's events as they come."""
        import torch

        from ptlib.runs.evaluator import Evaluator

        torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
        batch, begun = Batch.from_bytes(data), []
        if self._evaluator is None:
            self._evaluator = Evaluator(Library.open())
            self._evaluator.device = _device()
        self._evaluator.library = Library.open()
        for cell in batch.cells:
            # One cell at a time unless they race: so the driver hears of a cell before it is evaluated.
            if number in self._stop:
                return
            if cell.until:
                break
            yield Event(number, "begun", cell.key)
            for parcel in self._evaluator.evaluate(replace(batch, cells=(cell,), rivals={}), lambda: number in self._stop):
                yield Event(number, "parcel", parcel.key, parcel)
        else:
            return

        def begin(cell: Cell) -> None:
            begun.append(cell.key)

        yield Event(number, "begun", batch.cells[0].key)
        for parcel in self._evaluator.evaluate(batch, lambda: number in self._stop, begin):
            yield Event(number, "parcel", parcel.key, parcel)

    def stop(self, number: int) -> None:
        """Asks a batch to end; answered by another thread than the one that evaluates."""
        self._stop.add(number)

    def about(self) -> list[str]:
        """PLMs that are loaded."""
        return [] if self._evaluator is None else self._evaluator.loaded


def _device() -> str:
    from ptlib.plms.device import choose_device

    return choose_device()


class RayExecutor:
    """A batch an actor, as many actors as the cluster has room for."""

    def __init__(self, store: Store, _library: Library, _device: str | None) -> None:
        """Joins or starts the cluster.

        Raises:
            RunError: it cannot be reached.
        """
        address = os.environ.get("PTLIB_RAY_ADDRESS")
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        os.environ.setdefault("RAY_AUTH_MODE", "token")
        os.environ.setdefault("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")
        if not {"RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"} & set(os.environ):
            os.environ["RAY_AUTH_TOKEN_PATH"] = str(token_file(store.folder))
        if not address:
            # Ray's own way to say that a node serves this machine alone: everything listens on loopback.
            os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
        # Only now: it reads these settings when it is imported.
        import ray

        self._ray = ray
        root = str(Path(__file__).parents[3])
        carried = {name: os.environ[name] for name in CARRIED if name in os.environ}
        carried |= {"PYTHONPATH": os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")])), "HF_HUB_OFFLINE": "1",
                    "TOKENIZERS_PARALLELISM": "false", "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1")}  # fmt: skip
        _check_reachable(address)
        own = {} if address else {"include_dashboard": False, "_node_ip_address": "127.0.0.1"}
        try:
            ray.init(address=address or "local", namespace="ptlib", log_to_driver=False, logging_level=logging.WARNING,
                     runtime_env={"env_vars": carried}, configure_logging=False, **own)  # fmt: skip
        except Exception as error:
            raise RunError("the Ray cluster cannot be reached", where=address or "ray on this machine", found=str(error).splitlines()[0][:200],
                           mend="Check PTLIB_RAY_ADDRESS and the token (RAY_AUTH_TOKEN_PATH).") from error  # fmt: skip
        self.device = f"ray {address or 'on this machine'}"
        self._lock = threading.Lock()
        self._actors: list[Any] = []
        self._work: dict[int, tuple[Any, Any]] = {}
        self._asked: dict[int, float] = {}
        self._share = _share(ray.cluster_resources())

    def room(self) -> int:
        return max(0, most_actors(self._ray.cluster_resources(), self._share) - len(self._work))

    def submit(self, number: int, batch: Batch) -> None:
        busy = {id(actor) for actor, _ in self._work.values()}
        actor = next((actor for actor in self._actors if id(actor) not in busy), None)
        if actor is None:
            # A second thread hears of cancels while the first evaluates.
            actor = self._ray.remote(Hand).options(max_concurrency=2, max_restarts=0, **self._share).remote()
            self._actors.append(actor)
        work = actor.work.options(num_returns="streaming").remote(number, batch.to_bytes())
        with self._lock:
            self._work[number] = (actor, work)

    def collect(self, listen: Callable[[Event], None], seconds: float) -> None:
        end = time.monotonic() + seconds
        self._insist()
        if not self._work:
            time.sleep(seconds)
            return
        streams = {work: number for number, (_, work) in self._work.items()}
        ready, _ = self._ray.wait(list(streams), num_returns=1, timeout=max(0.0, end - time.monotonic()), fetch_local=False)
        for stream in ready:
            self._tell(streams[stream], stream, listen)

    def _tell(self, number: int, stream: Any, listen: Callable[[Event], None]) -> None:
        try:
            event = self._ray.get(next(stream))
        except StopIteration:
            self._drop(number)
            listen(Event(number, "end"))
        except self._ray.exceptions.RayActorError as error:
            self._actors = [actor for actor in self._actors if actor is not self._work[number][0]]
            asked = number in self._asked
            self._drop(number)
            log.warning("an actor is gone: %s", str(error).splitlines()[0])
            listen(Event(number, "end") if asked else Event(number, "lost", reason="The Ray actor died"))
        except Exception as error:
            log.exception("a batch on Ray failed")
            self._drop(number)
            reason = str(error) if isinstance(error, PtlibError) else f"The Ray task failed ({type(error).__name__})"
            listen(Event(number, "lost", reason=reason.split("\n")[0][:200]))
        else:
            listen(event)

    def _drop(self, number: int) -> None:
        with self._lock:
            self._work.pop(number, None)
            self._asked.pop(number, None)

    def cancel(self, number: int) -> None:
        with self._lock:
            if number in self._work and number not in self._asked:
                self._asked[number] = time.monotonic()
                self._work[number][0].stop.remote(number)

    def _insist(self) -> None:
        with self._lock:
            late = [self._work[number][0] for number, at in self._asked.items() if time.monotonic() - at > KILL_SECONDS]
        for actor in late:
            self._ray.kill(actor)

    def about(self) -> dict:
        total = self._ray.cluster_resources().get("memory", 0)
        return {
            "plms": [],
            "hands": len(self._work),
            "memory": int(total - self._ray.available_resources().get("memory", 0)),
            "memory_of": int(total),
        }

    def close(self) -> None:
        for actor in self._actors:
            with suppress(Exception):
                self._ray.kill(actor)
        self._ray.shutdown()


def _check_reachable(address: str | None) -> None:
    """Ray itself tries for most of a minute and says little."""
    host, _, port = (address or "").rpartition(":")
    if host and port.isdigit() and "/" not in host:
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=REACH_SECONDS).close()
        except OSError as error:
            raise RunError("the Ray cluster cannot be reached", where=address, found=error, mend="Check PTLIB_RAY_ADDRESS, and that its head node runs.") from error  # fmt: skip


def _share(resources: dict[str, float]) -> dict[str, float]:
    gpus = os.environ.get("PTLIB_RAY_GPUS") or (1 if resources.get("GPU") else 0)
    return {"num_gpus": _number("PTLIB_RAY_GPUS", gpus), "num_cpus": _number("PTLIB_RAY_CPUS", os.environ.get("PTLIB_RAY_CPUS") or 1)}


def _number(name: str, value: str | float) -> float:
    try:
        return float(value)
    except ValueError as error:
        raise RunError("not a number", where=name, found=repr(value), expected="for example 1 or 0.5") from error


def most_actors(resources: dict[str, float], share: dict[str, float]) -> int:
    """How many actors a cluster has room for."""
    rooms = [resources.get(kind, 0) / share[name] for kind, name in (("GPU", "num_gpus"), ("CPU", "num_cpus")) if share[name] > 0]
    told = os.environ.get("PTLIB_RAY_ACTORS")
    return int(max(1, min([*rooms, *([_number("PTLIB_RAY_ACTORS", told)] if told else [])])))


def token_file(folder: Path) -> Path:
    """The token of clusters that are started here; made at first use, for its owner alone."""
    path = folder / "ray-token"
    with suppress(FileExistsError), os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
        file.write(secrets.token_hex(32))
    return path
