"""The config.json of a compact model: every size, and what was measured about it. No torch."""

from dataclasses import asdict, dataclass, field, fields

from depthlm_ros.status import Code, StatusError

MODEL_TYPE = "depthlm_compact"
TOWERS = {
    # width and depth multipliers of EfficientNet-Lite (the TensorFlow release of 2020)
    "efficientnet-lite0": (1.0, 1.0),
    "efficientnet-lite2": (1.1, 1.2),
}


@dataclass(frozen=True)
class CompactConfig:
    """Sizes of the network and the conventions of its images.

    ``tower``: a key of TOWERS. ``text_*``: the language model (transformers' Qwen3).
    ``head_widths``: channels of the depth head at strides 16, 8, 4 and 2.
    ``canonical_focal_px``: the unified focal length. ``min_pixels``, ``max_pixels``: limits of the
    view's area. ``ratio_90``: 90 % of true depths lie within this factor (NaN: not measured).
    ``speaks``: whether it was trained to write. ``things``: what it finds by name: the classes of
    the thing head in order, each with the words that mean it, none where it has not learned it
    well; empty: nothing.
    Raises StatusError(MODEL_ERROR) for values that no network can be built from.
    """

    tower: str = "efficientnet-lite0"
    vocab_size: int = 512
    text_width: int = 256
    text_layers: int = 6
    text_heads: int = 4
    text_kv_heads: int = 2
    text_mlp: int = 768
    head_widths: tuple = (96, 64, 48, 32)
    canonical_focal_px: float = 250.0
    min_pixels: int = 96 * 96
    max_pixels: int = 640 * 640
    ratio_90: float = float("nan")
    speaks: bool = True
    things: dict = field(default_factory=dict)

    def __post_init__(self):
        """Refuse what cannot be built."""
        numbers = (
            self.vocab_size,
            self.text_width,
            self.text_layers,
            self.text_heads,
            self.text_kv_heads,
            self.text_mlp,
            *self.head_widths,
            self.min_pixels,
        )
        if self.tower not in TOWERS:
            raise StatusError(
                Code.MODEL_ERROR, f"tower = {self.tower!r}: known are {', '.join(TOWERS)}"
            )
        if len(self.head_widths) != 4 or not all(isinstance(n, int) and n > 0 for n in numbers):
            raise StatusError(
                Code.MODEL_ERROR,
                f"{self}: sizes must be positive whole numbers and head_widths four of them",
            )
        if self.text_width % self.text_heads or self.text_heads % self.text_kv_heads:
            raise StatusError(
                Code.MODEL_ERROR,
                f"text_width = {self.text_width}, text_heads = "
                f"{self.text_heads}, text_kv_heads = {self.text_kv_heads}: each must "
                "be a multiple of the next",
            )
        if not self.canonical_focal_px > 0 or self.min_pixels > self.max_pixels:
            raise StatusError(
                Code.MODEL_ERROR,
                f"canonical_focal_px = {self.canonical_focal_px}, "
                f"min_pixels = {self.min_pixels}, max_pixels = {self.max_pixels}: must "
                "be positive and in order",
            )

    @classmethod
    def from_dict(cls, content: dict) -> "CompactConfig":
        """Read the fields of a parsed config.json; keys of other uses are left aside."""
        known = {field.name for field in fields(cls)}
        values = {
            name: value for name, value in content.items() if name in known and value is not None
        }
        if "head_widths" in values:
            values["head_widths"] = tuple(values["head_widths"])
        return cls(**values)

    def as_dict(self) -> dict:
        """Return the content of a config.json."""
        return {"model_type": MODEL_TYPE, "architectures": ["CompactDepthVLM"], **asdict(self)}
