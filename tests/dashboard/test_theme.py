"""Colours that can be told apart, text that can be read, room above the plot, notes and alternative texts."""

import pytest

from dashboard import theme

BOTH = ("light", "dark")


def luminance(tint: str) -> float:
    channels = [int(tint[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("mode", BOTH)
def test_text_meets_wcag_aa(mode):
    assert contrast(theme.ink(mode), theme.paper(mode)) >= 7
    assert contrast(theme.faint(mode), theme.paper(mode)) >= 4.5
    assert contrast(theme.accent(mode), theme.paper(mode)) >= 4.5


@pytest.mark.parametrize("mode", BOTH)
@pytest.mark.parametrize("kind", ["sentiment", "nli", "ethics", "paraphrase", "random"])
def test_type_colours_stand_out_from_the_paper(mode, kind):
    assert contrast(theme.colour(kind), theme.paper(mode)) >= 2.5
    assert theme.colour(kind) == theme.TYPE_COLOURS[kind]


@pytest.mark.parametrize("mode", BOTH)
def test_numbers_can_be_read_on_every_colour_of_the_scale(mode):
    scale = theme.sequential(mode)
    for place, tint in enumerate(scale):
        assert contrast(theme.ink_on_scale(place / (len(scale) - 1), mode), tint) >= 4.5, tint


@pytest.mark.parametrize("mode", BOTH)
def test_the_scale_is_ordered_in_grey_as_well(mode):
    levels = [luminance(tint) for tint in theme.sequential(mode)]
    assert levels == sorted(levels, reverse=mode == "light")
    away = abs(levels[-1] - luminance(theme.paper(mode)))
    assert away > abs(levels[0] - luminance(theme.paper(mode)))


def test_groups_never_look_like_types():
    assert not set(theme.SPARE) & set(theme.TYPE_COLOURS.values())
    assert len(set(theme.TYPE_SYMBOLS.values())) == len(theme.TYPE_SYMBOLS)


def test_labels_are_short_and_no_markup():
    assert theme.label("<b>x</b>") == "&lt;b&gt;x&lt;/b&gt;"
    assert theme.label("a" * 60) == "a" * (theme.LONGEST_LABEL - 1) + "…"
    # Escaped after shortening, so that no entity is cut in half.
    assert theme.label("a" * 20 + "&" * 9) == "a" * 20 + "&amp;…"


def legend_top(count: int, ticks: int = 0) -> float:
    fig = theme.figure("light", 300)
    theme.key(fig, [(f"entry {number}", {}) for number in range(count)])
    if ticks:
        fig.update_yaxes(ticktext=["x" * ticks], tickvals=[0])
    return theme.head_room(fig).layout.margin.t


def test_room_above_the_plot_grows_with_the_legend():
    assert legend_top(0) < legend_top(2) < legend_top(8) < legend_top(20)
    assert legend_top(8, ticks=20) > legend_top(8)


def test_head_room_keeps_the_height_of_the_plot():
    fig = theme.figure("light", 300)
    fig.add_heatmap(z=[[1.0]], colorbar=theme.colour_bar())
    theme.head_room(fig, "share")
    assert fig.layout.height - fig.layout.margin.t == 300
    assert [note.text for note in fig.layout.annotations] == ["share"]


def test_a_note_is_broken_and_leaves_the_legend_where_it_was():
    fig = theme.figure("light", 300)
    theme.key(fig, [("one", {})])
    theme.head_room(fig)
    height, place = fig.layout.height, fig.layout.legend.y
    theme.note(fig, "word " * 30 + "<b>", "light")
    note = fig.layout.annotations[0].text
    assert max(map(len, note.split("<br>"))) < 60
    assert note.endswith("&lt;b&gt;")
    assert (1 - fig.layout.legend.y) * fig.layout.height == pytest.approx((1 - place) * height)


def test_alternative_text_travels_with_the_figure():
    fig = theme.figure("light", 300)
    assert theme.alt_text(fig) == ""
    assert theme.alt_text(theme.describe(fig, "a line")) == "a line"
