"""Charts, drawn by matplotlib on axes that belong to a picture of their own or to a page of a PDF.

Only matplotlib's objects are used, not `pyplot`, whose figures belong to the whole process; so several threads may draw at once. The
colours are those of Okabe and Ito, which the colour-blind tell apart, and nothing is told by colour alone. Text that comes from events
is never read as mathematics.
"""

from collections.abc import Sequence
from io import BytesIO
from typing import NamedTuple, Protocol

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from shopnow.text_format import one_line

BLUE, ORANGE, GREY, INK = "#0072B2", "#E69F00", "#6B7280", "#1F2937"
WIDTH = 5.2
"""Inches; 10 points of text are then read on a phone, where the picture is scaled down, as well as on a desk."""
_POINTS = 11
_DOTS_PER_INCH = 200


class Chart(Protocol):
    """What to draw."""

    @property
    def name(self) -> str:
        """Of the file, without its extension."""

    @property
    def alt(self) -> str:
        """What is seen, in words, for those who do not see it."""

    @property
    def height(self) -> float:
        """Inches, at `WIDTH`."""

    def draw(self, axes: Axes) -> None: ...


class Hours(NamedTuple):
    """A figure by hour of the day, as bars, beside the same day of the week before, as a line."""

    name: str
    alt: str
    unit: str
    """What a value is in, such as EUR."""
    values: Sequence[float]
    before: Sequence[float] | None
    height: float = 2.6

    def draw(self, axes: Axes) -> None:
        hours = range(len(self.values))
        axes.bar(hours, self.values, color=BLUE, width=0.75, label="this day")
        if self.before is not None:
            axes.step(hours, self.before, where="mid", color=ORANGE, linewidth=1.8, label="a week before")
            axes.legend(
                loc="lower right",
                bbox_to_anchor=(1, 1),
                ncols=2,
                frameon=False,
                fontsize=_POINTS - 1,
                labelcolor=INK,
            )
        axes.set_xticks(range(0, 24, 3), [f"{hour:02}" for hour in range(0, 24, 3)])
        axes.set_xlim(-0.6, 23.6)
        axes.set_xlabel("hour, UTC", color=INK, fontsize=_POINTS)
        axes.set_ylabel(one_line(self.unit), color=INK, fontsize=_POINTS, parse_math=False)
        axes.yaxis.set_major_locator(MaxNLocator(5))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: short(value)))
        axes.grid(axis="y", color="#E5E7EB", linewidth=0.8)
        _plain(axes)


class Bars(NamedTuple):
    """Values by name, as bars from left to right, each with what it says."""

    name: str
    alt: str
    labels: Sequence[str]
    values: Sequence[float]
    texts: Sequence[str]
    axis: str
    """What the length of a bar is, with its unit."""

    @property
    def height(self) -> float:
        return 0.8 + 0.3 * len(self.labels)

    def draw(self, axes: Axes) -> None:
        places = range(len(self.labels))
        axes.barh(places, self.values, color=BLUE, height=0.62)
        low, high = min(0, *self.values), max(0, *self.values)
        span = (high - low) or 1
        for place, value, text in zip(places, self.values, self.texts, strict=True):
            end = max(value, 0) + span * 0.015
            axes.text(
                end, place, text, va="center", ha="left", fontsize=_POINTS - 1, color=INK, parse_math=False
            )
        axes.set_yticks(places, [one_line(label, 20) for label in self.labels], parse_math=False)
        axes.invert_yaxis()
        longest = max(map(len, self.texts))
        axes.set_xlim(low - span * 0.02, high + span * (0.04 + 0.025 * longest))
        axes.set_xlabel(one_line(self.axis), color=INK, fontsize=_POINTS, parse_math=False)
        axes.xaxis.set_major_locator(MaxNLocator(4))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: short(value)))
        axes.grid(axis="x", color="#E5E7EB", linewidth=0.8)
        _plain(axes)


def png(chart: Chart) -> bytes:
    """The chart as a picture."""
    figure = Figure(
        figsize=(WIDTH, chart.height), dpi=_DOTS_PER_INCH, layout="constrained", facecolor="white"
    )
    chart.draw(figure.add_subplot())
    picture = BytesIO()
    figure.savefig(picture, format="png", metadata={"Title": chart.alt})
    return picture.getvalue()


def short(value: float) -> str:
    """A number of an axis: 12,000 is 12k."""
    for size, letter in ((1e12, "T"), (1e9, "bn"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:g}{letter}"
    return f"{value:g}"


def _plain(axes: Axes) -> None:
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(GREY)
    axes.tick_params(length=0, labelsize=_POINTS - 1, labelcolor=INK)
