"""Looks with their true standard sizes: what lets an image tell metres.

A material is a pattern with periods in metres and two colours. Sizes are those of ordinary things:
bricks 0.25 x 0.083 m with mortar, floor boards 0.09 to 0.2 m wide, floor tiles of 0.3, 0.45 or
0.6 m, ceiling panels of 0.6 m, books of some 3 cm. Colours are linear light, 0 to 1.
"""

from dataclasses import dataclass, replace

import numpy as np

PLAIN, TILES, BRICKS, PLANKS, CHECKER, STRIPES, GRAIN, BLOBS, WINDOWS, BOOKS, TEXT, GRADIENT = (
    range(12)
)
COLUMNS = 16


@dataclass(frozen=True)
class Material:
    """How a surface looks.

    ``a``, ``b``: colours. ``period`` (u, v) and ``line`` [m]: of the pattern. ``vary``: how much
    one tile or board differs from the next, 0 to 1. ``noise``: amplitude of cloudy variation, of
    ``noise_m`` metres. ``glow``: light of its own, as a share of its colour.
    """

    a: tuple
    b: tuple = (0.0, 0.0, 0.0)
    pattern: int = PLAIN
    period: tuple = (1.0, 1.0)
    line: float = 0.0
    vary: float = 0.0
    noise: float = 0.05
    noise_m: float = 0.5
    glow: float = 0.0

    def row(self, rng: np.random.Generator) -> np.ndarray:
        """Return the numbers that ``textures.py`` reads, with a random phase; float32 (16,)."""
        phase = rng.uniform(0.0, 10.0, 2)
        return np.array(
            [
                self.pattern,
                *self.a,
                *self.b,
                *self.period,
                self.line,
                self.vary,
                self.noise,
                self.noise_m,
                self.glow,
                *phase,
            ],
            dtype=np.float32,
        )

    def tinted(self, factor: float) -> "Material":
        """Return the same in lighter or darker colours."""
        return replace(
            self, a=tuple(factor * c for c in self.a), b=tuple(factor * c for c in self.b)
        )


def colour(
    rng: np.random.Generator, low: float = 0.05, high: float = 0.8, saturation: float = 0.5
) -> tuple:
    """Return a random colour of a brightness within [low, high]."""
    grey = rng.uniform(low, high)
    tint = np.exp(rng.normal(0.0, saturation, 3))
    return tuple(np.clip(grey * tint / tint.mean(), 0.02, 0.95))


def _pick(rng: np.random.Generator, *choices):
    return choices[rng.integers(len(choices))]


def plaster(rng) -> Material:
    """Painted wall: mostly light, sometimes coloured."""
    tone = colour(rng, 0.45, 0.9, 0.08) if rng.random() < 0.75 else colour(rng, 0.15, 0.7, 0.4)
    return Material(tone, noise=rng.uniform(0.02, 0.1), noise_m=rng.uniform(0.3, 2.0))


def wood_colour(rng) -> tuple:
    """Light pine to dark walnut."""
    base = np.array([0.42, 0.25, 0.12]) * rng.uniform(0.25, 1.7)
    return tuple(np.clip(base * np.exp(rng.normal(0.0, 0.12, 3)), 0.03, 0.85))


def wood(rng) -> Material:
    """Return a wooden board with grain along u."""
    tone = wood_colour(rng)
    return Material(tone, tuple(0.7 * c for c in tone), GRAIN, (0.9, 0.06), noise=0.1, noise_m=0.4)


def planks(rng) -> Material:
    """Wooden floor: boards or parquet."""
    width = _pick(rng, 0.07, 0.09, 0.12, 0.14, 0.19)
    tone = wood_colour(rng)
    period = (width * rng.uniform(6, 12), width)
    return Material(
        tone,
        tuple(0.35 * c for c in tone),
        PLANKS,
        period,
        0.004,
        rng.uniform(0.1, 0.5),
        0.08,
        0.5,
    )


def floor_tiles(rng) -> Material:
    """Square tiles of a standard size with grout."""
    size = _pick(rng, 0.2, 0.3, 0.3, 0.45, 0.6)
    return Material(
        colour(rng, 0.2, 0.8, 0.15),
        colour(rng, 0.15, 0.6, 0.05),
        TILES,
        (size, size),
        rng.uniform(0.003, 0.008),
        rng.uniform(0.0, 0.25),
        0.08,
        0.2,
    )


def chequered(rng) -> Material:
    """Chess-board tiles of 0.3 m."""
    return Material(
        colour(rng, 0.5, 0.85, 0.1), colour(rng, 0.05, 0.25, 0.2), CHECKER, (0.3, 0.3), noise=0.05
    )


def carpet(rng) -> Material:
    """Fitted carpet."""
    return Material(
        colour(rng, 0.1, 0.5, 0.3), noise=rng.uniform(0.1, 0.3), noise_m=rng.uniform(0.03, 0.1)
    )


def concrete(rng) -> Material:
    """Screed or concrete."""
    return Material(
        colour(rng, 0.2, 0.5, 0.06), noise=rng.uniform(0.1, 0.35), noise_m=rng.uniform(0.3, 1.5)
    )


def floor(rng) -> Material:
    """Any indoor floor."""
    make = rng.choice(
        [planks, floor_tiles, carpet, concrete, chequered], p=[0.4, 0.27, 0.17, 0.12, 0.04]
    )
    return make(rng)


def ceiling(rng) -> Material:
    """White, or panels of 0.6 m in a grid."""
    tone = colour(rng, 0.6, 0.92, 0.03)
    if rng.random() < 0.4:
        return Material(tone, tuple(0.75 * c for c in tone), TILES, (0.6, 0.6), 0.02, 0.04)
    return Material(tone, noise=0.03, noise_m=1.0)


def bricks(rng) -> Material:
    """Brickwork of 250 x 83 mm with mortar."""
    red = np.array([0.4, 0.16, 0.1]) * rng.uniform(0.5, 1.6)
    return Material(
        tuple(np.clip(red, 0, 0.9)),
        colour(rng, 0.35, 0.7, 0.05),
        BRICKS,
        (0.25, 0.083),
        0.012,
        0.5,
        0.1,
        0.5,
    )


def wall_tiles(rng) -> Material:
    """Tiles on a kitchen or bathroom wall: 0.1, 0.15 or 0.2 m."""
    size = _pick(rng, 0.1, 0.15, 0.2)
    return Material(
        colour(rng, 0.5, 0.9, 0.1), colour(rng, 0.3, 0.6, 0.05), TILES, (size, size), 0.004, 0.05
    )


def fabric(rng) -> Material:
    """Upholstery or clothing."""
    if rng.random() < 0.2:
        return Material(
            colour(rng),
            colour(rng),
            STRIPES,
            (rng.uniform(0.04, 0.12), 1.0),
            rng.uniform(0.01, 0.05),
            noise=0.1,
            noise_m=0.1,
        )
    return Material(colour(rng, 0.04, 0.6, 0.6), noise=rng.uniform(0.05, 0.25), noise_m=0.06)


def paint(rng) -> Material:
    """Return a smooth coloured or white surface, as of furniture."""
    tone = colour(rng, 0.6, 0.9, 0.04) if rng.random() < 0.45 else colour(rng, 0.04, 0.7, 0.6)
    return Material(tone, noise=0.03)


def furniture(rng) -> Material:
    """Wood more often than paint."""
    return wood(rng) if rng.random() < 0.6 else paint(rng)


def metal(rng) -> Material:
    """Grey metal or black iron."""
    return Material(colour(rng, 0.03, 0.5, 0.03), noise=0.08, noise_m=0.2)


def picture(rng) -> Material:
    """Return a painting, poster or photograph."""
    size = rng.uniform(0.1, 0.4)
    return Material(
        colour(rng, 0.05, 0.8, 0.9),
        colour(rng, 0.05, 0.8, 0.9),
        BLOBS,
        (size, size),
        vary=0.8,
        noise=0.3,
        noise_m=0.15,
    )


def text(rng) -> Material:
    """Return printed paper, a notice or a board with writing."""
    return Material(
        colour(rng, 0.65, 0.9, 0.04),
        colour(rng, 0.02, 0.2, 0.3),
        TEXT,
        (rng.uniform(0.02, 0.05), rng.uniform(0.012, 0.05)),
        noise=0.02,
    )


def books(rng) -> Material:
    """Backs of books, some 3 cm each."""
    return Material(
        colour(rng, 0.1, 0.6, 0.3),
        colour(rng, 0.1, 0.6, 0.3),
        BOOKS,
        (rng.uniform(0.022, 0.045), 0.3),
        0.002,
        0.9,
        0.05,
    )


def window_pane(rng) -> Material:
    """Daylight, or night, behind glass."""
    bright = rng.uniform(0.6, 1.0) if rng.random() < 0.75 else 0.06
    sky = tuple(bright * c for c in (0.75, 0.87, 1.0))
    ground = tuple(bright * rng.uniform(0.2, 0.6) * c for c in (0.8, 0.95, 0.7))
    return Material(
        ground,
        sky,
        GRADIENT,
        (1.0, rng.uniform(0.8, 1.6)),
        noise=0.25,
        noise_m=0.4,
        glow=rng.uniform(0.8, 2.0),
    )


def lamp(rng) -> Material:
    """Return a shining lamp."""
    return Material((1.0, 0.97, 0.9), noise=0.0, glow=rng.uniform(1.2, 3.0))


def skin(rng) -> Material:
    """Light to dark skin."""
    tone = np.array([0.6, 0.4, 0.3]) * rng.uniform(0.25, 1.25)
    return Material(tuple(np.clip(tone, 0, 0.9)), noise=0.05, noise_m=0.1)


def leaves(rng) -> Material:
    """Foliage."""
    green = np.array([0.12, 0.22, 0.06]) * rng.uniform(0.4, 1.8) * np.exp(rng.normal(0, 0.15, 3))
    return Material(tuple(np.clip(green, 0.01, 0.8)), noise=0.7, noise_m=rng.uniform(0.08, 0.25))


def asphalt(rng) -> Material:
    """Road surface."""
    return Material(
        colour(rng, 0.06, 0.25, 0.03), noise=rng.uniform(0.1, 0.3), noise_m=rng.uniform(0.05, 2.0)
    )


def paving(rng) -> Material:
    """Pavement slabs of 0.3, 0.4 or 0.5 m, or paving stones of 0.1 x 0.2 m."""
    period = _pick(rng, (0.3, 0.3), (0.4, 0.4), (0.5, 0.5), (0.2, 0.1))
    return Material(
        colour(rng, 0.2, 0.55, 0.06),
        colour(rng, 0.08, 0.25, 0.05),
        _pick(rng, TILES, BRICKS),
        period,
        0.008,
        0.2,
        0.15,
        0.6,
    )


def facade(rng) -> Material:
    """Return a house front seen from afar: windows a storey of 3 m apart."""
    wall = colour(rng, 0.2, 0.75, 0.2)
    return Material(
        wall,
        colour(rng, 0.03, 0.25, 0.1),
        WINDOWS,
        (rng.uniform(1.8, 3.2), rng.uniform(2.8, 3.3)),
        rng.uniform(0.9, 1.5),
        0.6,
        0.1,
        1.0,
    )


def cardboard(rng) -> Material:
    """Return a carton."""
    tone = np.array([0.45, 0.3, 0.17]) * rng.uniform(0.6, 1.3)
    return Material(
        tuple(tone), tuple(0.8 * tone), STRIPES, (0.4, 1.0), 0.05, noise=0.08, noise_m=0.2
    )
