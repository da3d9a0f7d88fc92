"""Which examples each training step sees: at random, cut by length, and to be gone on with from any step."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence

import numpy as np

BUCKET = 8
"""Batches drawn together and cut by length."""
_WORD = 2**64


def seed_of(task: str, seed: int) -> int:
    """Every (task, seed) starts somewhere else, so that prompts of one seed are not alike before they have learned."""
    return int.from_bytes(hashlib.sha256(f"prompt {task} {seed}".encode()).digest()[:4], "big")


class Draws:
    """An endless iterator over batches of row numbers.

    A pool of :data:`BUCKET` batches is drawn at random without replacement and cut by length, so that a batch holds little
    padding; its batches come in random order.
    """

    def __init__(self, lengths: Sequence[int], batch: int, seed: int, state: np.ndarray | None = None) -> None:
        """``state``: from :attr:`state`, to go on from there."""
        self._lengths, self._batch = np.asarray(lengths), batch
        self._rng = np.random.default_rng(seed)
        self._parts: list[np.ndarray] = []
        self._before, self._at = self._rng.bit_generator.state, 0
        if state is not None:
            self._rng.bit_generator.state = _unpacked(state)
            self._pool()
            self._at = int(state[6])

    def __iter__(self) -> Draws:
        return self

    def __next__(self) -> list[int]:
        if self._at == len(self._parts):
            self._pool()
        self._at += 1
        return self._parts[self._at - 1].tolist()

    @property
    def state(self) -> np.ndarray:
        """(7,) uint64: the generator before the pool that is being drawn from, and how many of its batches were drawn."""
        inner = self._before["state"]
        words = [part for number in (inner["state"], inner["inc"]) for part in divmod(number, _WORD)]
        return np.array([*words, self._before["has_uint32"], self._before["uinteger"], self._at], dtype=np.uint64)

    def _pool(self) -> None:
        self._before = self._rng.bit_generator.state
        pool = self._rng.permutation(len(self._lengths))[: BUCKET * self._batch]
        pool = pool[np.argsort(self._lengths[pool], kind="stable")]
        parts = np.array_split(pool, math.ceil(len(pool) / self._batch))
        self._parts, self._at = [parts[number] for number in self._rng.permutation(len(parts))], 0


def _unpacked(words: np.ndarray) -> dict:
    high, low, inc_high, inc_low, has, uinteger = (int(word) for word in words[:6])
    return {
        "bit_generator": "PCG64",
        "state": {"state": high * _WORD + low, "inc": inc_high * _WORD + inc_low},
        "has_uint32": has,
        "uinteger": uinteger,
    }
