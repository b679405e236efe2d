"""The things that the compact model learns to name, and the words that people use for them."""

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
SURFACES = ("wall", "floor", "ceiling", "road", "pavement")
"""Parts of a place: mentioned by nobody as things, and never asked for here."""


def index_of(name: str) -> int:
    """Return the index of a scene name in NAMES, -1 for surfaces and the sky."""
    return NAMES.index(name) if name in THINGS else -1
