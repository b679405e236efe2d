"""What a DepthVLM checkpoint says beyond the stock Qwen3-VL config."""

import copy
from dataclasses import dataclass, field

from transformers import Qwen3VLConfig

from depthlm_ros.interval import UNKNOWN, Interval
from depthlm_ros.models.depthvlm.depth_heads import HeadConfig
from depthlm_ros.models.runtime.image_patches import ImagePreprocessConfig, pixel_limits
from depthlm_ros.models.weights import processor_settings
from depthlm_ros.models.weights.calibration_file import stated_interval


@dataclass(frozen=True)
class DepthVLMSettings:
    """What a DepthVLM checkpoint's config.json says beyond the stock Qwen3-VL config.

    ``ratio_90``, ``interval`` and ``measured``: accuracy on held-out data, see ``models/base.py``;
    NaN, UNKNOWN and {} when unknown. ``speaks``: whether the language model has learned to write.
    """

    head: HeadConfig = field(default_factory=HeadConfig)
    path: ImagePreprocessConfig = field(default_factory=ImagePreprocessConfig)
    ratio_90: float = float("nan")
    interval: Interval = UNKNOWN
    measured: dict = field(default_factory=dict)
    speaks: bool = True

    @classmethod
    def from_config(cls, config: dict, preprocessor: dict | None = None) -> "DepthVLMSettings":
        """Read a config.json (and preprocessor_config.json) already parsed.

        Keys of config.json, all optional: ``depth_head_type`` (dpt), ``depth_head_widths`` (4),
        ``depth_head_fusion``, ``depth_head_output`` (2),
        ``depth_head_mlp_hidden``, ``depth_head_feature_mode``, ``canonical_focal_px`` (1000),
        ``min_pixels``, ``max_pixels`` (else the preprocessor's), ``ratio_90``, ``measured``,
        ``speaks``.
        """
        # Built, so that what a config leaves out is what transformers takes for it.
        vision = Qwen3VLConfig.from_dict(copy.deepcopy(config)).vision_config
        patch, merge, pre = vision.patch_size, vision.spatial_merge_size, preprocessor or {}
        least, most = pixel_limits(pre)
        processor_settings.check(pre, patch, merge)
        half = ImagePreprocessConfig().mean
        mean, std = processor_settings.mean_and_std(pre, half, half)
        head = {"kind": config.get("depth_head_type") or "dpt", "pixels_per_token": patch * merge}
        for key in ("widths", "fusion", "output", "mlp_hidden", "feature_mode"):
            if f"depth_head_{key}" in config:
                value = config[f"depth_head_{key}"]
                head[key] = tuple(value) if isinstance(value, list) else value
        path = {
            "patch": patch,
            "merge": merge,
            "focal_px": config.get("canonical_focal_px"),
            "min_pixels": config.get("min_pixels") or least,
            "max_pixels": config.get("max_pixels") or most,
            "mean": mean,
            "std": std,
        }
        declared = {
            key: tuple(value) if isinstance(value, list) else value
            for key, value in path.items()
            if value is not None
        }
        return cls(
            HeadConfig(**head),
            ImagePreprocessConfig(**declared),
            *stated_interval(config),
            dict(config.get("measured", {})),
            bool(config.get("speaks", True)),
        )
