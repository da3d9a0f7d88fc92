"""Train a prompt, watch it, and what became of it."""

import json
import time
from dataclasses import replace

import pandas as pd
import streamlit as st

from dashboard import components, data, export, trainings
from dashboard.figures import training as figures
from dashboard.gallery import training as gallery
from dashboard.live import LIVE
from dashboard.selection import View
from ptlib.errors import PtlibError
from ptlib.library import PromptEntry
from ptlib.prompts import family_insertions
from ptlib.runs import queue, supervise, training, training_api
from ptlib.runs.training import Training, TrainingSettings, choices

STARTS = {"random": "random", "vocabulary": "words at random", "text": "a text", "prompt": "a source prompt", "mean": "mean of several"}
SHOWN = 6
OFF = 0


def start_of(view: View, key: str) -> dict:
    """Where the prompt starts, and what that needs."""
    how = st.segmented_control("Start from", list(STARTS), format_func=STARTS.get, default="random", key=f"start-{key}", required=True,
                               help="Random: Gaussian rows as wide as the word embeddings. Words at random: embeddings from the vocabulary. A source prompt: "
                               "the paper's transfer as initialisation.")  # fmt: skip
    if how == "text":
        return {"initialisation": how, "text": st.text_input("Text", key=f"text-{key}", placeholder="words of the PLM's vocabulary")}
    if how not in ("prompt", "mean"):
        return {"initialisation": how}
    entries = {entry.name: entry for entry in trainings_sources(view)}
    if how == "prompt":
        name = st.selectbox("Source prompt", list(entries), key=f"source-{key}", index=None, placeholder="choose one")
        names = [name] if name else []
    else:
        names = st.multiselect("Source prompts", list(entries), key=f"sources-{key}", placeholder="two at least")
    fit = st.segmented_control("A source of another length", ["refuse", *(one for one in choices("fit") if one)], default="refuse", key=f"fit-{key}", required=True,
                               help="Truncate takes its first rows, repeat its rows over again; neither is done unasked.")  # fmt: skip
    return {"initialisation": how, "sources": tuple(entries[one].digest for one in names), "fit": "" if fit == "refuse" else fit}


def trainings_sources(view: View) -> list[PromptEntry]:
    return data.of_library(("usable sources", view.plm.id), lambda: training.usable_sources(data.library(), view.plm.id))


def details(view: View, usual: TrainingSettings, key: str) -> dict:
    """All other settings, each with a default."""
    with st.expander("Settings"):
        one, two, three, four = st.columns(4)
        found = {
            "length": one.number_input("Length", 1, 4096, usual.length, key=f"length-{key}", help="Soft tokens, inert ones included."),
            "steps": one.number_input("Steps", 1, 1_000_000, usual.steps, key=f"steps-{key}"),
            "batch": one.number_input("Batch", 1, 4096, usual.batch, key=f"batch-{key}", help="Most examples of one pass; batches are cut by length."),
            "accumulation": one.number_input("Passes a step", 1, 1024, 1, key=f"accumulation-{key}", help="Gradient accumulation."),
            "lr": two.number_input("Learning rate", value=usual.lr, format="%g", key=f"lr-{key}"),
            "optimizer": two.selectbox("Optimiser", choices("optimizer"), choices("optimizer").index(usual.optimizer), key=f"optimizer-{key}"),
            "schedule": two.selectbox("Schedule", choices("schedule"), choices("schedule").index(usual.schedule), key=f"schedule-{key}",
                                      help="decay: linear to 5 %, as the zoo's prompts. The others are those of transformers."),
            "warmup": two.number_input("Warm-up steps", 0, 100_000, usual.warmup, key=f"warmup-{key}"),
            "weight_decay": three.number_input("Weight decay", value=0.0, format="%g", key=f"decay-{key}"),
            "precision": three.selectbox("Precision of the pass", choices("precision"), key=f"precision-{key}",
                                         help="Mixed precision; float16 trains on a GPU only."),
            "evaluate_every": three.number_input("Validate every", 1, 100_000, usual.stride, key=f"every-{key}", help="Steps between validations."),
            "patience": three.number_input("Patience", 0, 10_000, OFF, key=f"patience-{key}",
                                           help="Validations without a better score after which training ends; 0: never."),
            "validation_examples": four.number_input("Validation examples", 0, 10_000_000, OFF, key=f"valid-{key}", help="0: all."),
            "examples": four.number_input("Training examples", 0, 100_000_000, OFF, key=f"examples-{key}", help="0: all."),
            "insertion": four.selectbox("Insertion", family_insertions(view.plm.family), key=f"insertion-{key}",
                                        help="How the prompt meets the input. Only a prompt of the insertion peft can be taken to the library peft."),
        }  # fmt: skip
    return {name: (value or None) if name in ("patience", "validation_examples", "examples") else value for name, value in found.items()}


def form(view: View) -> None:
    """What to train, and the button."""
    names, usual, key = gallery.trainable(data.library()), training.sensible(data.library(), view.plm.id), view.plm.id
    if not view.plm.here:
        components.without_weights(view)
        return
    left, right = st.columns([2, 3], gap="large")
    with left:
        task = st.selectbox("Task", names, key="train-task", bind="query-params")
        seeds = st.pills("Seeds", list(range(6)), selection_mode="multi", default=[0], key=f"train-seeds-{key}", help="One training each.")
    with right:
        start = start_of(view, key)
    found = details(view, usual, key)
    try:
        settings = TrainingSettings(**start, **found)
        cells = [training.training_cell(data.library(), view.plm.id, task, replace(settings, seed=int(seed))) for seed in seeds or [0]]
    except PtlibError as error:
        st.button("Train", disabled=True, key="train-not")
        st.warning(components.plain(error))
        return
    press, words = st.columns([1, 4], vertical_alignment="center")
    cost = data.estimate(view, cells)
    words.caption(f"{components.count(len(cells), 'training')} of {settings.steps} steps, about {components.minutes(cost.seconds)} on one worker "
                  f"({'measured on this PLM' if cost.measured else 'a rough guess'}). The finished prompt goes to your library as "
                  f"{components.plain(cells[0].prompt_name)}; the PLM's weights stay as they are.")  # fmt: skip
    if press.button("Train", type="primary", key="train", width="stretch"):
        begin(view, cells, task)


def begin(view: View, cells: list, task: str) -> None:
    """Queues the trainings; those that were done before come to the library at once."""
    run = training_api.start(data.store(), cells, f"{view.plm.id}: training for {task}", "dashboard")
    if run is None:
        data.look_again()
        st.toast("Trained before with the very same settings; the prompt is in your library.")
        return
    supervise.ensure_worker(data.store())
    trainings.changed(view)
    st.rerun()


def under_way(view: View) -> None:
    """Open, failed and cancelled trainings with their curves so far."""
    items = trainings.unfinished(view)
    if not items:
        return
    st.header("Under way")
    found = trainings.arrays([item.cell.key for item in items])
    table = pd.DataFrame([line(item, found.get(item.cell.key)) for item in items])
    st.dataframe(table, hide_index=True, width="stretch")
    for item in [item for item in items if item.state in ("failed", "cancelled")][:SHOWN]:
        words, again = st.columns([6, 1], vertical_alignment="center")
        words.markdown(f"**{components.plain(title(item))}** {item.state}. {components.plain(item.error)}")
        again.button("Retry" if item.state == "failed" else "Resume", key=f"again-{item.cell.key[:12]}", width="stretch", on_click=components.change,
                     args=(queue.retry if item.state == "failed" else queue.resume, item.run_id))  # fmt: skip
    drawn = [item for item in items if item.cell.key in found and item.state != "waiting"][:SHOWN]
    if drawn:
        points = figures.curve_table([(title(item), training.curve(found[item.cell.key])) for item in drawn])
        components.show(figures.curves(points, view.mode, metric_of(drawn[0].cell.task)), "training-live",
                        "Loss (mean since the last point) and validation score as training goes on, from the last checkpoint; a worker that dies goes on from there.",
                        table=points)  # fmt: skip


def title(item: Training) -> str:
    return item.cell.prompt_name or f"{item.cell.task} {item.cell.key[:6]}"


def line(item: Training, found: dict | None) -> dict:
    settings = training.settings_in(item.cell)
    points = None if found is None else training.curve(found)
    return {"prompt": title(item), "task": item.cell.task, "state": item.state, "step": 0 if points is None else int(points.step.iloc[-1]), "of": settings.steps,
            "best validation": None if points is None else round(float(points.validation.max()), 3), "start": settings.initialisation, "lr": settings.lr}  # fmt: skip


def metric_of(task: str) -> str:
    return data.library().task(task).metric.replace("_", " ")


def done(view: View) -> None:
    """Finished trainings, one of them in detail."""
    st.header("Trained here")
    entries = gallery.finished(LIVE, view)
    if not entries:
        st.info("No prompt of this PLM was trained here yet. Choose a task above and press Train; the zoo takes a few seconds a prompt.")
        return
    st.caption("Prompts in your library, newest first. The validation score is the best of all validations, so it flatters; test scores are on the page Transfer, "
               "where these prompts are picked one by one in the sidebar and never counted unasked.")  # fmt: skip
    st.dataframe(pd.DataFrame([row(entry) for entry in entries]), hide_index=True, width="stretch")
    name = st.selectbox("Look at", [entry.name for entry in entries], key="trained", bind="query-params")
    entry = next((entry for entry in entries if entry.name == name), entries[0])
    one(view, entry)


def row(entry: PromptEntry) -> dict:
    meta = entry.meta
    return {"prompt": entry.name.partition("/")[2], "task": entry.task, "start": start_words(meta), "seed": entry.seed, "validation": round(float(meta["validation"]), 3),
            "best step": meta["step"], "steps": meta["steps"], "ended": "diverged" if "diverged" in meta["ended"] else meta["ended"], "seconds": round(float(meta["seconds"]), 1),
            "trained": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(meta["created"])), "insertion": entry.insertion}  # fmt: skip


def start_words(meta: dict) -> str:
    return ", ".join(source["name"] for source in meta["sources"]) or STARTS[meta["init"]]


def one(view: View, entry: PromptEntry) -> None:
    """One finished training: downloads, curve, likeness, provenance."""
    left, right, wide = st.columns([1, 1, 3], vertical_alignment="center")
    stem = export.file_name(entry.path.stem)
    left.download_button("safetensors", lambda: entry.path.read_bytes(), f"{stem}.safetensors", "application/octet-stream", key="download-prompt", on_click="ignore",
                         width="stretch", help="The prompt, with its story in the header.")  # fmt: skip
    fits = entry.insertion == "peft"
    right.download_button("PEFT adapter", (lambda: trainings.adapter(entry, view)) if fits else b"", f"{stem}.zip", "application/zip", key="download-peft", on_click="ignore",
                          width="stretch", disabled=not fits, help="A folder that peft's PeftModel.from_pretrained loads." if fits else
                          "peft would insert this prompt in another way than it was trained with. Train with the insertion peft.")  # fmt: skip
    meta = entry.meta
    wide.caption(f"From {components.plain(start_words(meta))}; {meta['ended'] if len(meta['ended']) < 20 else components.plain(meta['ended'])}; "
                 f"best validation at step {meta['step']} of {meta['steps']}; the PLM's weights had the same checksum before and after ({meta['weights'][:12]}).")  # fmt: skip
    if trainings.arrays([meta["training"]]):
        pictures(view, entry)
    else:
        st.caption("Its curve is not in this cache any more; the prompt and its story are in your library.")
    with st.expander("Provenance"):
        st.code(json.dumps(dict(meta), indent=1, sort_keys=True), language="json")


def pictures(view: View, entry: PromptEntry) -> None:
    """Its curve, and its ON with finished prompts over steps."""
    left, right = st.columns(2, gap="large")
    with left:
        components.figure("training-curve", view, {"prompt": entry.name})
    if gallery.with_finished(LIVE, view, *gallery.one(LIVE, view, entry.name)) is None:
        st.info("When does a prompt become like its type? ON with finished prompts needs their stimulation.")
        if not data.open_runs():
            components.run_panel(view, data.missing_stimulations(view), "stimulations")
        return
    with right:
        components.figure("training-likeness", view, {"prompt": entry.name})


def body() -> None:
    view: View = st.session_state["view"]
    st.title("Training")
    st.markdown(f"Prompt tuning on **{components.plain(view.plm.id)}**: only the prompt learns; the PLM is frozen.")
    form(view)
    components.run_panel(view, [])
    components.live(lambda: under_way(view))
    done(view)


components.guard(body)
