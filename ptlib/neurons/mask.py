"""Which neurons are switched off: a prompt's most activated ones, its distinctive ones, random ones, the least activated.
Imports no torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np

from ptlib.errors import RunError
from ptlib.neurons.states import States

Rule = Literal["most", "distinctive", "random", "least"]
MOST = 0.5
"""The largest share: beyond it random neurons are mostly the same ones, and little is left of the PLM."""
MEANS: dict[str, str] = {
    "most": "most activated: the highest values (as in the authors' released code 2.0)",
    "distinctive": "distinctive: activated by prompts of the prompt's type and not by those of any other type",
    "least": "least activated: the lowest values",
    "random": "random: drawn from all neurons of a layer",
}
"""Rule -> what it takes, over the chosen layers together."""


class Stimulated(NamedTuple):
    """The stimulations that decide a mask."""

    prompt: States
    """(layers, ffn) of the prompt itself."""
    own: np.ndarray
    """(n, layers, ffn) bool, of the prompts of its type, itself among them; only for distinctive neurons."""
    others: Sequence[np.ndarray] = ()
    """For each other type (m, layers, ffn) bool."""


def count(share: float, layers: int, ffn: int) -> int:
    """Neurons that a share of some layers stands for: rounded down as in the released code, at least one.

    Raises:
        RunError: a share that is not above 0 and at most :data:`MOST`.
    """
    if not 0 < share <= MOST:
        raise RunError("this share of neurons cannot be masked", where="neurons", found=f"{share:g}", expected=f"above 0, at most {MOST:g}",
                       mend="For example 0.1, which is every tenth neuron.")  # fmt: skip
    # 0.29 x 100 is 28.999999999999996.
    return max(1, int(share * layers * ffn + 1e-9))


def check_layers(layers: Sequence[int] | None, of: int, where: str) -> list[int]:
    """The layers, counted from 0, in order; all where None.

    Raises:
        RunError: none at all, or one that the PLM does not have.
    """
    if layers is None:
        return list(range(of))
    absent = [layer for layer in layers if not 0 <= layer < of]
    if absent or not layers:
        raise RunError("no such layer; they count from 1", where=where, found=absent[0] + 1 if absent else "none", expected=f"1 to {of}")
    return sorted(set(layers))


def distinctiveness(own: np.ndarray, others: Sequence[np.ndarray]) -> np.ndarray:
    """How much a neuron belongs to one type: the share of the type's prompts that activate it, minus the highest such share among
    the other types. 1: all of the type's prompts activate it and none of another type; 0 or less: another type uses it as much.

    Args:
        own: (n, layers, ffn) bool. others: for each other type (m, layers, ffn) bool.

    Returns:
        (layers, ffn) float64 in [-1, 1].

    Raises:
        RunError: there is no other type.
    """
    return own.mean(axis=0) - _elsewhere(others)


def _elsewhere(others: Sequence[np.ndarray]) -> np.ndarray:
    """(layers, ffn) highest share of another type's prompts that activate a neuron."""
    if not len(others):
        raise RunError("distinctive neurons need prompts of another type", where="selection", found="one type", mend="Select sources of two types.")  # fmt: skip
    return np.max([states.mean(axis=0) for states in others], axis=0)


def choose(rule: Rule, share: float, found: Stimulated, layers: Sequence[int] | None = None, *, draw: int = 0, like: Rule = "most") -> np.ndarray:  # fmt: skip
    """The neurons that a rule switches off.

    The most and least activated and the distinctive are sought over the chosen layers together, so a layer's part may be small.
    Among equally distinctive neurons those that other types activate less come first, then those of higher value: where there are
    not enough distinctive ones for a large share, what no type activates fills it up before what all do. Of equal ones the first.

    Args:
        share: of all neurons of the chosen layers.
        layers: counted from 0; None takes all.
        draw: seed of the random rule.
        like: the rule whose number of neurons in each layer the random rule takes over.

    Returns:
        (layers, ffn) bool, True where a neuron is switched off.

    Raises:
        RunError: an unknown rule, a share or a layer that cannot be, or no other type for the distinctive.
    """
    total, width = found.prompt.values.shape
    chosen = check_layers(layers, total, "layers")
    off = np.zeros((total, width), dtype=bool)
    if rule == "random":
        mix = choose(like, share, found, chosen).sum(axis=1)
        rng = np.random.default_rng(draw)
        for layer in chosen:
            # Drawn whole and cut: the layers' draws do not depend on how many are taken.
            off[layer, rng.permutation(width)[: mix[layer]]] = True
        return off
    values = found.prompt.values[chosen].astype(np.float64).ravel()
    if rule == "most":
        ranks = (-values,)
    elif rule == "least":
        ranks = (values,)
    elif rule == "distinctive":
        score, elsewhere = distinctiveness(found.own, found.others), _elsewhere(found.others)
        ranks = (-values, elsewhere[chosen].ravel(), -score[chosen].ravel())
    else:
        raise RunError("unknown choice of neurons", where="neurons", found=repr(rule), expected=f"one of {list(MEANS)}")
    picked = np.lexsort(ranks)[: count(share, len(chosen), width)]
    part = np.zeros(len(values), dtype=bool)
    part[picked] = True
    off[chosen] = part.reshape(len(chosen), width)
    return off
