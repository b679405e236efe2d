"""The things that the compact model learns to name, and the words that people use for them."""

from collections.abc import Collection

THINGS = {
    # name in the scenes: (singular and plural as asked for), further singulars
    "armchair": ("armchair", "armchairs"),
    "bed": ("bed", "beds"),
    "bench": ("bench", "benches"),
    "bin": ("bin", "bins", "trash can", "waste bin"),
    "bollard": ("bollard", "bollards"),
    "book": ("book", "books"),
    "books": ("book", "books"),
    "bottle": ("bottle", "bottles"),
    "bowl": ("bowl", "bowls"),
    "box": ("box", "boxes"),
    "building": ("building", "buildings", "house"),
    "cabinet": ("cabinet", "cabinets", "cupboard", "wardrobe"),
    "car": ("car", "cars", "vehicle"),
    "chair": ("chair", "chairs"),
    "clock": ("clock", "clocks"),
    "cup": ("cup", "cups", "mug"),
    "curtain": ("curtain", "curtains"),
    "desk": ("desk", "desks"),
    "door": ("door", "doors"),
    "handrail": ("handrail", "handrails", "railing"),
    "hedge": ("hedge", "hedges"),
    "keyboard": ("keyboard", "keyboards"),
    "kerb": ("kerb", "kerbs", "curb"),
    "lamp": ("lamp", "lamps", "light"),
    "lamp post": ("lamp post", "lamp posts", "street lamp"),
    "laptop": ("laptop", "laptops"),
    "monitor": ("monitor", "monitors", "screen", "display"),
    "notice": ("notice", "notices"),
    "person": ("person", "people", "pedestrian", "man", "woman", "human"),
    "picture": ("picture", "pictures", "painting"),
    "plant": ("plant", "plants", "potted plant"),
    "rack": ("rack", "racks"),
    "radiator": ("radiator", "radiators", "heater"),
    "rug": ("rug", "rugs", "carpet"),
    "shelf": ("shelf", "shelves", "bookshelf"),
    "sign": ("sign", "signs"),
    "sofa": ("sofa", "sofas", "couch"),
    "table": ("table", "tables"),
    "traffic sign": ("traffic sign", "traffic signs", "road sign"),
    "tree": ("tree", "trees"),
    "vase": ("vase", "vases"),
    "whiteboard": ("whiteboard", "whiteboards", "board"),
    "window": ("window", "windows"),
}
"""Scene name to (singular, plural, further singulars)."""

NAMES = tuple(THINGS)
CLASSES = tuple(name for name in NAMES if name != "books")
"""What the thing head tells apart: nobody asks for one book and for several by other names."""
SURFACES = ("wall", "floor", "ceiling", "road", "pavement")
"""Parts of a place: mentioned by nobody as things, and never asked for here."""


def index_of(name: str) -> int:
    """Return the index of a scene name in NAMES, -1 for surfaces and the sky."""
    return NAMES.index(name) if name in THINGS else -1


def class_of(name: str) -> int:
    """Return the index in CLASSES of a name in NAMES."""
    return CLASSES.index("book" if name == "books" else name)


_KINDS_OF = {"table": ("desk",), "chair": ("armchair",), "sign": ("notice", "traffic sign")}
"""Names that are said of other classes as well."""


def words(learned: Collection[str] = CLASSES) -> dict:
    """Return each class with the words that mean it, as a checkpoint's config states them.

    ``learned``: the classes that may be asked for by their own words; others have none of theirs.
    """
    meant = {name: list(THINGS[name]) if name in learned else [] for name in CLASSES}
    for name, kinds in _KINDS_OF.items():
        for kind in kinds:
            meant[kind] += [word for word in meant[name] if word not in meant[kind]]
    return meant
