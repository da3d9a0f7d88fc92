"""Where a prompt starts from: at random, in the vocabulary, in a text, or at other prompts (paper, transfer as initialisation)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ptlib.errors import PromptError
from ptlib.plms.plm import Plm
from ptlib.prompts import SoftPrompt, random_prompt
from ptlib.prompts.insertion import inert_rows
from ptlib.transfer.draws import seed_of
from ptlib.transfer.settings import Fit, TrainingSettings


def start(plm: Plm, task: str, settings: TrainingSettings, sources: Sequence[SoftPrompt], insertion: str) -> np.ndarray:
    """(length, hidden) float32 values before the first step.

    Args:
        task: name of the task, which together with the seed decides what is drawn.
        sources: the prompts that the settings name, in their order.

    Raises:
        PromptError: a source of another width, or of another length where the settings do not say what to do with it;
            a text of which nothing is known.
    """
    inert = inert_rows(insertion, plm.info.family)
    if settings.length <= len(inert):
        raise PromptError("length is too small to train a prompt", where=f"prompt tuning on {task}", found=settings.length,
                          expected=f"{len(inert) + 1} at least under {insertion}")  # fmt: skip
    draw = seed_of(task, settings.seed)
    if settings.initialisation in ("prompt", "mean"):
        for source in sources:
            source.check_fits(plm.hidden, plm.info.id)
        parts = [fitted(source, settings.length, settings.fit, inert) for source in sources]
        return parts[0] if len(parts) == 1 else np.mean(parts, axis=0, dtype=np.float64).astype(np.float32)
    words = plm.words.weight
    values = random_prompt(settings.length, plm.hidden, float(words.float().std()), draw, plm.info.fingerprint).values.copy()
    if settings.initialisation == "random":
        return values
    live = [row for row in range(settings.length) if row not in inert]
    ids = _sampled(plm, draw, len(live)) if settings.initialisation == "vocabulary" else _read(plm, settings.text, len(live))
    values[live] = words[ids].detach().float().cpu().numpy()
    return values


def _sampled(plm: Plm, seed: int, count: int) -> list[int]:
    special = set(plm.tokenizer.all_special_ids)
    known = [number for number in range(min(len(plm.tokenizer), plm.words.weight.shape[0])) if number not in special]
    return np.random.default_rng(seed).choice(known, count, replace=count > len(known)).tolist()


def _read(plm: Plm, text: str, count: int) -> list[int]:
    ids = plm.tokenizer(text, add_special_tokens=False)["input_ids"]
    if not any(number != plm.tokenizer.unk_token_id for number in ids):
        raise PromptError("no word of the text is in the PLM's vocabulary", where=f"initialisation on {plm.info.id}", found=repr(text[:60]),
                          expected="words the PLM knows", mend="Choose other words.")  # fmt: skip
    return np.resize(ids, count).tolist()


def fitted(source: SoftPrompt, length: int, fit: Fit, inert: Sequence[int] = ()) -> np.ndarray:
    """(length, hidden) rows of a source prompt; rows that never reach the PLM are not repeated.

    Raises:
        PromptError: another length, where ``fit`` does not say what to do with it.
    """
    if source.length == length:
        return source.values
    way = {True: "truncate", False: "repeat"}[source.length > length]
    if fit != way:
        raise PromptError("the source prompt has another length than the prompt to train", where=f"prompt {source.name}", found=source.length, expected=length,
                          mend=f"Train with length {source.length}, or choose to {way} it.")  # fmt: skip
    if way == "truncate":
        return source.values[:length]
    live = np.array([row for row in range(source.length) if row not in inert])
    return source.values[[*inert, *np.resize(live, length - len(inert))]]
