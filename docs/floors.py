"""The picture of the floors in `design.md`, drawn from the imports in fastgd/ whenever the documentation is built."""

import ast
from itertools import pairwise
from pathlib import Path

import matplotlib
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch
from matplotlib.path import Path as Curve

import fastgd

PACKAGE = Path(fastgd.__file__).parent

_WIDTH, _HEIGHT = 9.0, 0.9  # of the picture, and of a floor in it, in inches

# How often each floor is sorted by where its neighbours are: more moved nothing.
_SWEEPS = 12


def imports():
    """Return which of the files and folders in fastgd/ each of them imports, directly."""
    found = {_name(path): set() for path in PACKAGE.rglob("*.py")}
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom):
                # "from fastgd import arguments" imports a module, too.
                found[_name(path)] |= {f"{node.module}.{alias.name}" for alias in node.names}
            elif isinstance(node, ast.Import):
                found[_name(path)] |= {alias.name for alias in node.names}
    del found["__init__"], found["__main__"]
    parts = {name: {tuple(each.split(".")[:2]) for each in names} for name, names in found.items()}
    return {name: {other for other in found if ("fastgd", other) in parts[name]} - {name} for name in found}


def floors(edges):
    """Return the floors from the bottom up: each file or folder stands right above the highest that it imports."""
    heights = {}

    def height(name):
        if name not in heights:
            heights[name] = 1 + max(map(height, edges[name]), default=-1)
        return heights[name]

    rows = [[] for _ in range(1 + max(map(height, edges)))]
    for name in sorted(edges):
        rows[heights[name]].append(name)
    return rows


def arrows(edges):
    """Return the imports that are not also made by way of others, as pairs."""

    def below(name):
        return edges[name].union(*map(below, edges[name]))

    return [
        (name, other)
        for name in sorted(edges)
        for other in sorted(edges[name])
        if not any(other in below(between) for between in edges[name])
    ]


def draw(path):
    """Draw the floors, and an arrow from what imports to what is imported, as SVG."""
    edges = imports()
    rows = floors(edges)
    heights = {name: height for height, row in enumerate(rows) for name in row}
    # An arrow that passes a floor has a place of its own there, so that it meets no box.
    ways = []
    for name, other in arrows(edges):
        passed = [(name, other, height) for height in range(heights[name] - 1, heights[other], -1)]
        ways.append([name, *passed, other])
        for place in passed:
            rows[place[2]].append(place)
    where = _places(rows, [pair for way in ways for pair in pairwise(way)])
    with matplotlib.rc_context({"svg.hashsalt": "fastgd", "font.family": "DejaVu Sans"}):
        figure = Figure(figsize=(_WIDTH, _HEIGHT * len(rows)), facecolor="white")
        ax = figure.add_axes((0, 0, 1, 1), xlim=(0, 1), ylim=(-0.5, len(rows) - 0.5))
        ax.axis("off")
        for height in range(len(rows)):
            if height % 2:
                ax.axhspan(height - 0.5, height + 0.5, color="0.95", zorder=0)
        for way in ways:
            ax.add_patch(_arrow([where[place] for place in way]))
        for name in edges:
            label = f"{name}/" if (PACKAGE / name).is_dir() else f"{name}.py"
            box = {"boxstyle": "round,pad=0.5", "facecolor": "white", "edgecolor": "tab:blue"}
            ax.text(*where[name], label, ha="center", va="center", fontsize=11, bbox=box, zorder=2)
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, metadata={"Date": None})


def _name(path):
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def _places(rows, pairs):
    """Return where each place on each floor is: near its neighbours, above and below in turn, so that few arrows cross."""
    above, below = {}, {}
    for upper, lower in pairs:
        above.setdefault(lower, []).append(upper)
        below.setdefault(upper, []).append(lower)
    where = {}
    for sweep in range(_SWEEPS):
        neighbours = above if sweep % 2 == 0 else below
        for height, row in sorted(enumerate(rows), reverse=sweep % 2 == 0):
            beside = {
                place: [where[other][0] for other in neighbours.get(place, []) if other in where] for place in row
            }
            row.sort(key=lambda place: sum(beside[place]) / len(beside[place]) if beside[place] else 0.5)
            where |= {place: ((i + 0.5) / len(row), height) for i, place in enumerate(row)}
    return where


def _arrow(points):
    """Draw a curve that leaves and meets each point upright, with its head at the last."""
    points = [(points[0][0], points[0][1] - 0.22), *points[1:-1], (points[-1][0], points[-1][1] + 0.24)]
    curve, codes = [points[0]], [Curve.MOVETO]
    for (x, y), (to_x, to_y) in pairwise(points):
        middle = (y + to_y) / 2
        curve += [(x, middle), (to_x, middle), (to_x, to_y)]
        codes += [Curve.CURVE4] * 3
    return FancyArrowPatch(
        path=Curve(curve, codes), arrowstyle="-|>", mutation_scale=12, color="0.35", linewidth=1.2, zorder=1
    )
