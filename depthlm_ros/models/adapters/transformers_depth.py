"""Any metric depth-estimation model of transformers as a ``DenseDepthModel``.

ZoeDepth, Depth Pro, Depth Anything (v1 and v2, metric) and GLPN are known to answer in metres and
are read as their authors do; a kind that answers with relative depth is refused, since no metres
can be made of it. Depth Pro takes the focal length: its canonical inverse depth is brought to the
camera's, where the published pipeline guesses the camera from the image. The others were trained
without one. Nothing here needs torchvision.
"""

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from transformers import AutoConfig, AutoImageProcessor, AutoModelForDepthEstimation

from depthlm_ros.geometry.camera import PinholeCamera
from depthlm_ros.geometry.canonical_view import CanonicalView
from depthlm_ros.status import Code, StatusError

METRIC = ("depth_anything", "depth_pro", "glpn", "zoedepth")
LEAST_INVERSE, MOST_INVERSE = 1e-4, 1e4
HALF_MEAN, HALF_STD = (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)
DEPTH_PRO_SIDE = 1536
ZOE_PADDING = 3
"""ZoeDepth pads a side of n pixels by int(3 sqrt(n / 2)) before it looks, reflecting."""


class TransformersDepth:
    """A loaded depth-estimation model; contract: ``DenseDepthModel`` (``models/base.py``).

    ``uses_focal``: whether the camera's focal length has a part in the depth.
    """

    ratio_90 = float("nan")

    def __init__(self, model, processor, name: str):
        self.name = name
        self.model = model.eval().requires_grad_(False)
        self.kind = model.config.model_type
        self.processor = processor
        self.uses_focal = self.kind == "depth_pro"
        self._sides: dict = {}

    @classmethod
    def from_folder(
        cls, folder: Path, name: str, device: torch.device, dtype: torch.dtype
    ) -> "TransformersDepth":
        """Load a checkpoint folder: safetensors alone, no code of the checkpoint's.

        Raises StatusError(UNSUPPORTED) for a model without metres, StatusError(MODEL_ERROR) for a
        folder that transformers cannot read.
        """
        try:
            config = AutoConfig.from_pretrained(folder, local_files_only=True)
            _check_metric(config, folder)
            kind = "depth_pro" if config.model_type == "depth_pro" else None
            processor = _depth_pro_processor(folder) if kind else _processor(folder)
            model = AutoModelForDepthEstimation.from_pretrained(
                folder, local_files_only=True, use_safetensors=True, dtype=dtype
            )
        except StatusError:
            raise
        except Exception as error:  # transformers tells a broken folder in every way
            reason = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
            raise StatusError(
                Code.MODEL_ERROR, f"{folder} cannot be read ({reason}); fetch it again"
            ) from error
        return cls(model.to(device), processor, name)

    def view_of(self, camera: PinholeCamera) -> CanonicalView:
        """Return the source at about the size at which the model looks; never a larger one."""
        size = (camera.width, camera.height)
        if size not in self._sides:
            blank = np.zeros((camera.height, camera.width, 3), np.uint8)
            self._sides[size] = max(self._pixels(blank).shape[-2:])
        shrink = min(1.0, self._sides[size] / max(size))
        width, height = (max(1, round(side * shrink)) for side in size)
        return CanonicalView(camera, camera.resized(width, height))

    @torch.inference_mode()
    def depth(self, rgb: np.ndarray, view: CanonicalView) -> np.ndarray:
        """Map a source image, uint8 (H, W, 3), to z-depth, float32 (view.height, view.width) [m].

        Raises StatusError(BAD_IMAGE) for an image that is not the view's source,
        StatusError(MODEL_ERROR) when the device's memory does not suffice.
        """
        expected = (view.source.height, view.source.width, 3)
        if rgb.shape != expected or rgb.dtype != np.uint8:
            raise StatusError(
                Code.BAD_IMAGE,
                f"rgb is {rgb.dtype} {rgb.shape}: this view is of a uint8 {expected} image",
            )
        try:
            pixels = self._pixels(rgb).to(self.model.device, self.model.dtype)
            predicted = self.model(pixel_values=pixels).predicted_depth.float()
        except torch.OutOfMemoryError as error:
            raise StatusError(
                Code.MODEL_ERROR,
                f"{self.name} ran out of device memory on {expected}: take a smaller model, or "
                "smaller pictures",
            ) from error
        metres = self._metres(predicted.reshape(1, 1, *predicted.shape[-2:]), view)
        return np.where(np.isfinite(metres) & (metres > 0), metres, np.float32(np.nan))

    def _pixels(self, rgb: np.ndarray) -> torch.Tensor:
        """Return what the model is given, float (1, 3, h, w)."""
        return self.processor(images=rgb, return_tensors="pt")["pixel_values"]

    def _metres(self, predicted: torch.Tensor, view: CanonicalView) -> np.ndarray:
        """Return the model's own map (1, 1, h, w) as z-depth of the view."""
        if self.kind == "depth_pro":
            inverse = predicted * (view.source.width / view.source.fx)
            inverse = _resize(inverse, (view.height, view.width), "bilinear")
            out = 1.0 / inverse.clamp(LEAST_INVERSE, MOST_INVERSE)
        elif self.kind == "zoedepth" and getattr(self.processor, "do_pad", True):
            out = _without_zoe_padding(predicted, view)
        else:
            out = _resize(predicted, (view.height, view.width), "bicubic")
        return out[0, 0].cpu().numpy()


def _resize(x: torch.Tensor, size: tuple, mode: str) -> torch.Tensor:
    if tuple(x.shape[-2:]) == tuple(size):
        return x
    return F.interpolate(x, size=size, mode=mode, align_corners=False)


def _without_zoe_padding(predicted: torch.Tensor, view: CanonicalView) -> torch.Tensor:
    """Cut off what the processor had added to the source, at the view's scale."""
    source = (view.source.height, view.source.width)
    padding = [int((side / 2) ** 0.5 * ZOE_PADDING) for side in source]
    size = [side + 2 * pad for side, pad in zip(source, padding, strict=True)]
    padded = _resize(predicted, size, "bicubic")
    top, left = padding
    inner = padded[..., top : top + source[0], left : left + source[1]]
    return _resize(inner, (view.height, view.width), "bicubic")


def _check_metric(config, folder) -> None:
    kind = config.model_type
    relative = getattr(config, "depth_estimation_type", "metric") != "metric"
    if kind not in METRIC or relative:
        declared = (
            "relative depth" if relative else f"{kind}, which is not known to answer in metres"
        )
        raise StatusError(
            Code.UNSUPPORTED,
            f"{folder} is a depth model of {declared}: give a metric one ({', '.join(METRIC)}), "
            "such as a Depth Anything whose config says depth_estimation_type metric",
        )


def _processor(folder):
    return AutoImageProcessor.from_pretrained(folder, local_files_only=True)


class _DepthProProcessor:
    """Depth Pro's own preprocessing: to -1..1, then bilinear to a square, not antialiased."""

    def __init__(self, side: int, mean: tuple, std: tuple):
        self.side = side
        self.mean, self.std = (torch.tensor(v, dtype=torch.float32) for v in (mean, std))

    def __call__(self, images: np.ndarray, return_tensors: str = "pt") -> dict:
        x = (torch.from_numpy(images.copy()).float() / 255 - self.mean) / self.std
        size = (self.side, self.side)
        return {"pixel_values": _resize(x.permute(2, 0, 1)[None], size, "bilinear")}


def _depth_pro_processor(folder) -> _DepthProProcessor:
    """Read preprocessor_config.json; transformers' own class needs torchvision."""
    import json

    file = Path(folder) / "preprocessor_config.json"
    declared = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    side = (declared.get("size") or {}).get("height", DEPTH_PRO_SIDE)
    mean, std = declared.get("image_mean", HALF_MEAN), declared.get("image_std", HALF_STD)
    return _DepthProProcessor(int(side), tuple(mean), tuple(std))
