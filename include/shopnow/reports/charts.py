"""Charts, drawn with matplotlib on the axes of an image or of a PDF page.

Only matplotlib's objects are used, not `pyplot`, whose state is global, so that threads may draw
concurrently. The colors are Okabe and Ito's, which color-blind people can distinguish, and nothing is shown
by color alone. Text from events is never parsed as math.
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
"""Inches; text of 10 points stays readable on a phone, which scales the image down."""
_POINTS = 11
_DOTS_PER_INCH = 200


class Chart(Protocol):
    """A chart that can draw itself."""

    @property
    def name(self) -> str:
        """File name without extension."""

    @property
    def alt(self) -> str:
        """Alternative text."""

    @property
    def height(self) -> float:
        """Inches, at `WIDTH`."""

    def draw(self, axes: Axes) -> None: ...


class Hours(NamedTuple):
    """A figure by hour of the day as bars, and of the same day of the previous week as a line."""

    name: str
    alt: str
    unit: str
    """Unit of the values, such as EUR."""
    values: Sequence[float]
    previous: Sequence[float] | None
    height: float = 2.6

    def draw(self, axes: Axes) -> None:
        hours = range(len(self.values))
        axes.bar(hours, self.values, color=BLUE, width=0.75, label="this day")
        if self.previous is not None:
            axes.step(hours, self.previous, where="mid", color=ORANGE, linewidth=1.8, label="a week earlier")
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
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: short_number(value)))
        axes.grid(axis="y", color="#E5E7EB", linewidth=0.8)
        _style(axes)


class Bars(NamedTuple):
    """Values by name as horizontal bars, each with its text."""

    name: str
    alt: str
    labels: Sequence[str]
    values: Sequence[float]
    texts: Sequence[str]
    axis: str
    """Label of the value axis, with its unit."""

    @property
    def height(self) -> float:
        return 0.8 + 0.3 * len(self.labels)

    def draw(self, axes: Axes) -> None:
        positions = range(len(self.labels))
        axes.barh(positions, self.values, color=BLUE, height=0.62)
        low, high = min(0, *self.values), max(0, *self.values)
        span = (high - low) or 1
        for position, value, text in zip(positions, self.values, self.texts, strict=True):
            end = max(value, 0) + span * 0.015
            axes.text(
                end, position, text, va="center", ha="left", fontsize=_POINTS - 1, color=INK, parse_math=False
            )
        axes.set_yticks(positions, [one_line(label, 20) for label in self.labels], parse_math=False)
        axes.invert_yaxis()
        longest = max(map(len, self.texts))
        axes.set_xlim(low - span * 0.02, high + span * (0.04 + 0.025 * longest))
        axes.set_xlabel(one_line(self.axis), color=INK, fontsize=_POINTS, parse_math=False)
        axes.xaxis.set_major_locator(MaxNLocator(4))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: short_number(value)))
        axes.grid(axis="x", color="#E5E7EB", linewidth=0.8)
        _style(axes)


def png(chart: Chart) -> bytes:
    """Return the chart as a PNG image."""
    figure = Figure(
        figsize=(WIDTH, chart.height), dpi=_DOTS_PER_INCH, layout="constrained", facecolor="white"
    )
    chart.draw(figure.add_subplot())
    image = BytesIO()
    figure.savefig(image, format="png", metadata={"Title": chart.alt})
    return image.getvalue()


def short_number(value: float) -> str:
    """Format a number of an axis: 12,000 as 12k."""
    for size, suffix in ((1e12, "T"), (1e9, "bn"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:g}{suffix}"
    return f"{value:g}"


def _style(axes: Axes) -> None:
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(GREY)
    axes.tick_params(length=0, labelsize=_POINTS - 1, labelcolor=INK)
