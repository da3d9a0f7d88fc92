"""What the names in the authors' checkout (and in the package of their data) say of a prompt or a result."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

BACKBONES: dict[str, str] = {"Bert": "bert-base-uncased", "Roberta": "roberta-base", "RobertaLarge": "roberta-large",
                             "T5": "t5-base", "T5Small": "t5-small", "T5Large": "t5-large"}  # fmt: skip
"""The authors' word for a PLM -> its id on the hub."""
TASKS: dict[str, str] = {
    "IMDB": "imdb", "SST2": "sst2", "laptop": "semeval-laptop", "restaurant": "semeval-restaurant", "movierationales": "movie-rationales",
    "tweetevalsentiment": "tweeteval", "MNLI": "mnli", "QNLI": "glue-qnli", "snli": "snli", "ethicsdeontology": "ethics-deontology",
    "ethicsjustice": "ethics-justice", "QQP": "qqp", "MRPC": "mrpc", "squad": "squad", "nq_open": "nq-open",
    "multi_news": "multi-news", "samsum": "samsum", "recastner": "recastner",
}  # fmt: skip
"""The authors' word for a task -> its name in the catalogue."""
_ALL = sorted(BACKBONES, key=len, reverse=True)
_FOLDER = re.compile(rf"(?P<task>[A-Za-z0-9_]+?)Prompt(?P<backbone>{'|'.join(_ALL)})(?P<rest>_.*)?")
_CROSS = re.compile(
    rf"(?P<task>[A-Za-z0-9_]+?)Prompt_cross_model_(?P<source>{'|'.join(_ALL)})_to_(?P<backbone>{'|'.join(_ALL)})(?P<rest>_.*)?"
)
_PAIR = re.compile(rf"(?P<source>{'|'.join(_ALL)})_to_(?P<backbone>{'|'.join(_ALL)})")
_PROJ = re.compile(rf"(?P<backbone>{'|'.join(_ALL)})_proj")


class Named(NamedTuple):
    """A prompt, by its path."""

    task: str
    """Name in the catalogue, the authors' own word where it is not there; empty for random prompts."""
    backbone: str
    """Hub id of the PLM it is for; empty where the path does not say."""
    kind: str
    """"trained", "random" or "projected"."""
    source_backbone: str
    """Hub id of the PLM a projected prompt comes from, where known."""
    variant: str
    """What else the name says, such as ``_127``."""


def task_name(word: str) -> str:
    """Name in the catalogue of the authors' word for a task; their own word, in lower case, where it is not there."""
    return TASKS.get(word, re.sub(r"[^a-z0-9._-]+", "-", word.lower()).strip("-"))


def named(path: Path) -> Named | None:
    """What a prompt file's folders say; None where they say nothing known."""
    parts = [part for part in path.parts[-4:]]
    folder = parts[-2] if len(parts) > 1 else ""
    above = parts[-3] if len(parts) > 2 else ""
    if found := _CROSS.fullmatch(folder):
        return Named(task_name(found["task"]), BACKBONES[found["backbone"]], "projected", BACKBONES[found["source"]], found["rest"] or "")
    if found := _FOLDER.fullmatch(folder):
        rest = found["rest"] or ""
        if found["task"] == "random":
            return Named("", BACKBONES[found["backbone"]], "random", "", rest)
        return Named(
            task_name(found["task"]), BACKBONES[found["backbone"]], "projected" if rest.startswith("_proj") else "trained", "", rest
        )
    if folder in BACKBONES:
        return Named("", BACKBONES[folder], "random", "", "") if "random" in above else None
    if found := _PAIR.fullmatch(above):
        return Named(task_name(folder), BACKBONES[found["backbone"]], "projected", BACKBONES[found["source"]], "")
    if found := _PROJ.fullmatch(above):
        return Named(task_name(folder), BACKBONES[found["backbone"]], "projected", "", "")
    if above in BACKBONES:
        return Named(task_name(folder), BACKBONES[above], "trained", "", "")
    if "emotion" in above.lower() and path.suffix == ".pt":
        return Named(
            f"emotion-{task_name(re.sub(r'-[0-9]+$', '', path.stem))}",
            folder if folder in BACKBONES.values() else "",
            "trained",
            "",
            "emotion",
        )
    return None


class NamedResult(NamedTuple):
    """A result file, by its path."""

    target: str
    source: str
    backbone: str
    """Hub id of the PLM that was evaluated."""
    source_backbone: str
    """Hub id of the PLM the prompt was trained on; empty where not recorded."""
    kind: str
    """"zero-shot", "random", "cross-model-direct", "cross-model-projected"."""


def named_result(path: Path) -> NamedResult | None:
    """What ``<TARGET>Prompt<PLM>/result_<SOURCE>Prompt<PLM>.json`` says; None for other names."""
    target = _FOLDER.fullmatch(path.parent.name)
    stem = path.stem.removeprefix("result_")
    if target is None or target["rest"] or stem == path.stem:
        return None
    plm, name = BACKBONES[target["backbone"]], task_name(target["task"])
    if stem == "random" or re.fullmatch(r"randomPrompt\w*", stem):
        return NamedResult(name, "", plm, "", "random")
    if stem == "model_transfer":
        return NamedResult(name, name, plm, "", "cross-model-projected")
    source = _FOLDER.fullmatch(stem.removeprefix("model_transfer_"))
    if source is None or source["rest"]:
        return None
    other = BACKBONES[source["backbone"]]
    kind = "cross-model-projected" if stem.startswith("model_transfer_") else "zero-shot" if other == plm else "cross-model-direct"
    return NamedResult(name, task_name(source["task"]), plm, other, kind)
