"""The projector: the arithmetic, what it reads and writes, and how it is trained."""

import hashlib
import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from ptlib.errors import PromptError, TaskError
from ptlib.plms import describe
from ptlib.plms.load import load
from ptlib.prompts import SoftPrompt, save
from ptlib.prompts import load as load_prompt
from ptlib.transfer.evaluate import evaluate
from ptlib.transfer.forward import Stopped
from ptlib.transfer.projector import Projector, ProjectorSettings, Side, gaussian_like, target_side
from ptlib.transfer.projector_training import Pair, _Network, train_projector, training
from tests.conftest import make_tiny_plm
from tests.families import build

QUICK = ProjectorSettings(hidden=16, steps=12, batch=8)


@pytest.fixture(scope="module")
def wide(tmp_path_factory):
    """Another PLM: BERT of another width."""
    return describe(build("bert", tmp_path_factory.mktemp("bert") / "wide"))


@pytest.fixture(scope="module")
def sources(wide):
    """Prompts of the other PLM, of four tasks and two seeds."""
    rng = np.random.default_rng(3)
    return {(task, seed): SoftPrompt(rng.normal(0, 0.3, (7, wide.hidden)).astype(np.float32), f"{task}-s{seed}", wide.fingerprint, task, seed)
            for task in ("films", "meals", "pairs", "doubles") for seed in (0, 1)}  # fmt: skip


@pytest.fixture
def pairs(library, sources):
    own = {(entry.task, entry.seed): entry.load() for entry in library.prompts("tiny-1", ("trained",))}
    return [Pair(sources[place], library.task(place[0]), own[place]) for place in sources if place[0] in ("films", "pairs")]


def checksum(plm) -> str:
    return hashlib.sha256(b"".join(tensor.numpy().tobytes() for tensor in plm.model.state_dict().values())).hexdigest()


@pytest.mark.parametrize("form", ["flat", "token"])
@pytest.mark.parametrize("activation", ["tanh", "leaky_relu"])
@pytest.mark.parametrize("layer_norm", [False, True])
def test_numpy_and_torch_compute_the_same(form, activation, layer_norm):
    settings = ProjectorSettings(form=form, activation=activation, layer_norm=layer_norm, hidden=9)
    source, target = Side("a", "a", 5, 6, "thunlp", (0,)), Side("b", "b", 5, 4, "thunlp", (0,))
    torch.manual_seed(1)
    network = _Network(settings, source, target, 0.3, 2.0)
    with torch.no_grad():
        for values in network.parameters():
            values.normal_()
    weights = {name: values.detach().numpy() for name, values in network.named_parameters()}
    rows = np.random.default_rng(0).normal(size=(3, 4, 6)).astype(np.float32)
    found = Projector(settings, source, target, 0.3, 2.0, weights).rows(rows)
    assert found.shape == (3, 4, 4)
    assert np.allclose(found, network(torch.from_numpy(rows)).detach().numpy(), atol=1e-4)
    if form == "token":
        assert np.allclose(Projector(settings, source, target, 0.3, 2.0, weights).rows(rows[:, :2]), found[:, :2], atol=1e-5)


@pytest.mark.parametrize("way", ["distance", "tuning"])
@pytest.mark.parametrize("form", ["flat", "token"])
def test_learns_and_leaves_the_target_plm_alone(tiny_plm, wide, pairs, way, form):
    before = checksum(tiny_plm)
    if form == "token" and way == "distance":
        # Token by token the length is the source's; the own prompts are shorter.
        pairs = [pair._replace(source=replace(pair.source, values=pair.source.values[:5])) for pair in pairs]
    found = train_projector(wide, tiny_plm, pairs, replace(QUICK, way=way, form=form, steps=60, lr=0.02 if way == "distance" else 0.002))
    assert checksum(tiny_plm) == before
    assert not any(parameter.grad is not None for parameter in tiny_plm.model.parameters())
    # A step sees eight examples: its loss alone says little.
    assert found.losses[45:].mean() < found.losses[:15].mean()
    assert len(found.losses) == 60
    assert found.projector.trained_on == ("films", "pairs")
    assert found.projector.target.length == (7 if way == "tuning" else 5)


def test_distance_minimizing_reaches_the_own_prompts_live_rows(tiny_plm, wide, pairs):
    found = train_projector(wide, tiny_plm, pairs, ProjectorSettings(way="distance", hidden=64, steps=300, lr=0.01))
    for pair in pairs:
        projected = found.projector.project(pair.source)
        assert np.abs(projected.values[1:] - pair.own.values[1:]).max() < 0.05
        assert not projected.values[0].any()


def test_a_row_that_never_reaches_a_plm_is_neither_read_nor_written(tiny_plm, wide, pairs):
    changed = [pair._replace(source=replace(pair.source, values=np.concatenate([pair.source.values[:1] + 100, pair.source.values[1:]])))
               for pair in pairs]  # fmt: skip
    one, two = (train_projector(wide, tiny_plm, given, QUICK).projector for given in (pairs, changed))
    assert one.digest == two.digest
    assert one.source.live == one.target.live == [1, 2, 3, 4, 5, 6]


def test_same_seed_same_projector(tiny_plm, wide, pairs):
    torch.manual_seed(5)
    state = torch.random.get_rng_state()
    one, two = (train_projector(wide, tiny_plm, pairs, QUICK).projector for _ in range(2))
    other = train_projector(wide, tiny_plm, pairs, replace(QUICK, seed=1)).projector
    assert one.digest == two.digest != other.digest
    assert torch.equal(torch.random.get_rng_state(), state)


@pytest.mark.parametrize("way", ["distance", "tuning"])
@pytest.mark.parametrize("stop", [0, 5])
def test_goes_on_where_it_was_stopped(tiny_plm, wide, pairs, way, stop):
    settings, kept, asked = replace(QUICK, way=way), [], iter(range(100))
    work = training(wide, tiny_plm, pairs, settings, should_stop=lambda: next(asked) == stop)
    kept.append(next(work).arrays)
    with pytest.raises(Stopped):
        next(work)
    assert len(kept[-1]["losses"]) == stop
    whole, later = (train_projector(wide, tiny_plm, pairs, settings, begun=begun) for begun in (None, kept[-1]))
    assert whole.projector.digest == later.projector.digest
    assert np.array_equal(whole.losses, later.losses)


def test_states_come_now_and_then_and_the_last_is_the_projector(tiny_plm, wide, pairs):
    found = list(training(wide, tiny_plm, pairs, QUICK, state_every=5))
    assert [len(state.arrays["losses"]) for state in found] == [5, 10, 12]
    assert [state.trained is None for state in found] == [True, True, False]
    other = list(training(wide, tiny_plm, pairs, QUICK, begun=found[0].arrays))[-1]
    assert other.trained.projector.digest == found[-1].trained.projector.digest


def test_a_projected_prompt_says_where_it_comes_from_and_can_be_evaluated(tiny_plm, wide, pairs, sources, tmp_path):
    projector = train_projector(wide, tiny_plm, pairs, QUICK).projector
    projected = projector.project(sources["meals", 1], "meals-s1.from-wide")
    assert (projected.kind, projected.task, projected.seed, projected.insertion) == ("projected", "meals", 1, "thunlp")
    assert projected.plm == tiny_plm.info.fingerprint
    assert projected.meta["projector"] == projector.digest
    assert projected.meta["source_prompt"] == sources["meals", 1].digest
    assert projected.meta["trained_on"] == ["films", "pairs"]
    save(projected, tmp_path / "meals-s1.from-wide.safetensors")
    back = load_prompt(tmp_path / "meals-s1.from-wide.safetensors")
    assert back.digest == projected.digest
    assert json.dumps(back.meta, sort_keys=True) == json.dumps(projected.meta, sort_keys=True)
    assert 0 <= next(evaluate(tiny_plm, [back], pairs[0].task)).value <= 1


def test_stored_arrays_are_the_same_projector(tiny_plm, wide, pairs, sources):
    projector = train_projector(wide, tiny_plm, pairs, replace(QUICK, layer_norm=True)).projector
    back = Projector.from_arrays({**projector.to_arrays(), "losses": np.zeros(3)})
    assert back.digest == projector.digest
    assert back.project(sources["doubles", 0]).digest == projector.project(sources["doubles", 0]).digest
    with pytest.raises(PromptError, match="not a projector"):
        Projector.from_arrays({"first.weight": np.zeros((2, 2))})


def test_to_a_plm_that_reads_every_row(tmp_path, library, wide, sources):
    """T5: nothing is inert there, so token by token one row less comes out, and the flat form gives any length."""
    t5 = load(build("t5", tmp_path / "t5"), device="cpu")
    task = replace(library.task("films"), label_words=("bad", "good"))
    given = [Pair(sources["films", seed], task) for seed in (0, 1)]
    token = train_projector(wide, t5, given, replace(QUICK, form="token")).projector
    assert (token.source.live, token.target.length, token.target.inert) == ([1, 2, 3, 4, 5, 6], 6, ())
    flat = train_projector(wide, t5, given, QUICK, length=9, insertion="peft").projector
    projected = flat.project(sources["films", 0])
    assert (projected.length, projected.insertion) == (9, "peft")
    assert projected.values[0].any()


def test_the_gaussian_control_is_as_wide_as_the_prompts_and_repeats(sources):
    given = [sources["films", 0], sources["meals", 0]]
    one, other = gaussian_like(given, 0), gaussian_like(given, 1)
    assert one.digest == gaussian_like(given, 0).digest != other.digest
    assert one.values.std() == pytest.approx(np.std([prompt.values for prompt in given]), rel=0.2)
    assert (one.kind, one.task, one.plm) == ("random", "", given[0].plm)


def test_divergence_names_the_step(tiny_plm, wide, pairs):
    with torch.no_grad():
        tiny_plm.model.lm_head.bias[:] = math.nan
    with pytest.raises(PromptError, match="projector to tiny-1, step 1: training diverged"):
        train_projector(wide, tiny_plm, pairs, QUICK)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [({"steps": 0}, "steps is too small"), ({"hidden": 0}, "hidden is too small"), ({"batch": 0}, "batch is too small"),
     ({"lr": 0.0}, "learning rate"), ({"lr": 50.0}, "learning rate"), ({"lr": math.nan}, "learning rate"),
     ({"way": "magic"}, "unknown way"), ({"form": "round"}, "unknown form"), ({"activation": "step"}, "unknown activation")],
)  # fmt: skip
def test_settings_that_train_nothing(tiny_plm, wide, pairs, wrong, sentence):
    with pytest.raises(PromptError, match=sentence):
        train_projector(wide, tiny_plm, pairs, replace(QUICK, **wrong))


def test_what_does_not_fit_is_one_sentence(tiny_plm, wide, pairs, sources, library):
    other = replace(pairs[0].source, values=np.zeros((7, 5), np.float32) + 1)
    with pytest.raises(PromptError, match="not as wide as the PLM"):
        train_projector(wide, tiny_plm, [pairs[0]._replace(source=other)], QUICK)
    short = replace(pairs[0].source, values=pairs[0].source.values[:4])
    with pytest.raises(PromptError, match=r"another length.*found length 4, expected length 7"):
        train_projector(wide, tiny_plm, [pairs[0], pairs[1]._replace(source=short)], QUICK)
    with pytest.raises(PromptError, match="in different ways"):
        train_projector(wide, tiny_plm, [pairs[0], pairs[1]._replace(source=replace(pairs[1].source, insertion="peft"))], QUICK)
    with pytest.raises(PromptError, match=r"needs the target PLM's own prompt.*Task Tuning"):
        train_projector(wide, tiny_plm, [pairs[0]._replace(own=None)], replace(QUICK, way="distance"))
    lone = replace(pairs[0].task, splits={"test": pairs[0].task.splits["test"]})
    with pytest.raises(TaskError, match="needs a train split"):
        train_projector(wide, tiny_plm, [pairs[0]._replace(task=lone)], QUICK)
    with pytest.raises(TaskError, match="free text"):
        train_projector(wide, tiny_plm, [pairs[0]._replace(task=replace(pairs[0].task, answer_field="text"))], QUICK)
    with pytest.raises(PromptError, match="no prompt to train"):
        train_projector(wide, tiny_plm, [], QUICK)
    with pytest.raises(PromptError, match="keeps its length"):
        train_projector(wide, tiny_plm, pairs, replace(QUICK, form="token"), length=9)
    with pytest.raises(PromptError, match="no row of such a prompt"):
        target_side(QUICK, Side.of(wide, 7, "thunlp"), tiny_plm.info, "thunlp", 1)
    projector = train_projector(wide, tiny_plm, pairs, QUICK).projector
    with pytest.raises(PromptError, match="trained for another PLM"):
        projector.project(pairs[0].own)
    with pytest.raises(PromptError, match="another length"):
        projector.project(short)
    with pytest.raises(PromptError, match="all values of the prompts are zero"):
        train_projector(
            wide, tiny_plm, [pairs[0]._replace(source=replace(pairs[0].source, values=np.zeros((7, wide.hidden), np.float32)))], QUICK
        )


def test_a_plm_of_the_same_kind_with_other_weights_is_another(tmp_path, tiny_plm, library, pairs):
    twin = describe(make_tiny_plm(tmp_path / "twin"))
    own = [Pair(pair.own, pair.task, pair.own) for pair in pairs]
    assert train_projector(twin, tiny_plm, own, QUICK).projector.source.hidden == 32
