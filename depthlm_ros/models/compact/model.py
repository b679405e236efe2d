"""The compact DepthVLM as the estimator and the services use it: a map, or a sentence."""

from dataclasses import dataclass

import numpy as np
import torch
from transformers import DynamicCache

from depthlm_ros.geometry.camera import PinholeCamera
from depthlm_ros.geometry.canonical_view import CanonicalView
from depthlm_ros.models.base import COMPACT_BOXES, noop
from depthlm_ros.models.compact.config import CompactConfig
from depthlm_ros.models.compact.detections import detect
from depthlm_ros.models.compact.finding import classes_of, read_request, write_reply
from depthlm_ros.models.compact.network import STRIDE, CompactModule
from depthlm_ros.models.compact.tokenizer import END, question_ids
from depthlm_ros.models.runtime import image_patches
from depthlm_ros.models.runtime.checks import check_source_image, out_of_memory
from depthlm_ros.models.runtime.host_device import to_device, to_host
from depthlm_ros.models.weights.checkpoint import Checkpoint, materialise_buffers
from depthlm_ros.status import Code, StatusError

SMALLEST_VIEW = 9  # tokens


@dataclass(frozen=True)
class _ReadImage:
    """An image that the language model has read, with the keys and values of it."""

    image: torch.Tensor
    principal: torch.Tensor
    cache: DynamicCache


class CompactDepthVLM:
    """A loaded compact model; a DenseDepthModel and a LanguageModel (``models/base.py``).

    ``max_pixels``: a lower limit for the view's area than the checkpoint's own. ``keep_frame``:
    hold the keys and values of the last image, so that further questions cost their own tokens.
    Used by one thread at a time. ``stage_callback`` is called with the name of each stage done.
    """

    def __init__(
        self,
        module: CompactModule,
        tokenizer,
        name: str = "compact",
        max_pixels: int | None = None,
        keep_frame: bool | None = None,
    ):
        self.name = name
        self.module = module.eval().requires_grad_(False)
        self.tokenizer = tokenizer
        config = module.config
        self.ratio_90, self.speaks = config.ratio_90, config.speaks
        self.grounding = COMPACT_BOXES if self.speaks or config.things else None
        self.on_token = None  # called after each token of a reply; may look at other images
        self.path = image_patches.ImagePreprocessConfig(
            patch=STRIDE // 2,
            merge=2,
            focal_px=config.canonical_focal_px,
            min_pixels=config.min_pixels,
            max_pixels=config.max_pixels,
        ).limited(max_pixels)
        self._keep_frame = True if keep_frame is None else keep_frame
        self.stage_callback = noop
        self._last_area = 0
        self._read_image = None
        self._thing_maps = None

    @classmethod
    def from_checkpoint(
        cls, checkpoint: Checkpoint, name: str, device: torch.device, dtype: torch.dtype, **options
    ) -> "CompactDepthVLM":
        """Build the network without memory, then load the weights straight onto ``device``.

        Raises StatusError(MODEL_ERROR) when config and tensors do not fit together.
        """
        with checkpoint.describing(), torch.device("meta"):
            module = CompactModule(CompactConfig.from_dict(checkpoint.config))
        module.tower.fold()  # served weights are folded already
        checkpoint.load_into(module, device, dtype)
        materialise_buffers(module.language, device)
        return cls(module, checkpoint.tokenizer(), name, **options)

    def view_of(self, camera: PinholeCamera) -> CanonicalView:
        """Say which view of a source camera's image this model wants."""
        return image_patches.view_of(camera, self.path)

    def shrink(self) -> bool:
        """Work on smaller views from now on, after memory ran out: half the area of the last.

        False when it is as small as it gets.
        """
        smaller = min(self._last_area or self.path.max_pixels, self.path.max_pixels) // 2
        if smaller < SMALLEST_VIEW * STRIDE**2:
            return False
        self.path = self.path.limited(smaller)
        return True

    @torch.inference_mode()
    def depth(self, rgb: np.ndarray, view: CanonicalView) -> np.ndarray:
        """Map a source image, uint8 (H, W, 3), to z-depth, float32 (view.height, view.width).

        Contract: ``DenseDepthModel.depth``. Raises StatusError(BAD_IMAGE) for an image that is not
        the view's source, StatusError(MODEL_ERROR) when the device's memory does not suffice.
        """
        try:
            image, principal = self._image(rgb, view)
            self.stage_callback("preprocess")
            features = self.module.encode_image(image, principal)
            self.stage_callback("vision")
            cache = self._new_cache() if self._keep_frame else None
            states = self.module.states(features.tokens, cache)
            self.stage_callback("language")
            depth = self.module.log_depth(features, states)[0].float().exp()
            self.stage_callback("head")
            self._read_image = _ReadImage(image, principal, cache) if cache else None
            (metres,) = to_host(depth)
        except torch.OutOfMemoryError as error:
            raise self._out_of_memory(view) from error
        return np.where(np.isfinite(metres) & (metres > 0), metres, np.float32(np.nan))

    @torch.inference_mode()
    def reply(
        self, rgb: np.ndarray, camera: PinholeCamera, prompt: str, max_tokens: int = 128
    ) -> str:
        """Answer ``prompt`` about the image, greedily decoded; contract: ``LanguageModel.reply``.

        Asked to point or to find, it writes Qwen3-VL's JSON: points and boxes in 0..1000 of the
        image's width and height, an empty list for what it does not see. With a thing head these
        come from that; raises StatusError(UNSUPPORTED) for a name that it has not learned to
        find, and for any other prompt where it has not learned to write.
        """
        view, things = self.view_of(camera), self.module.config.things
        request = read_request(prompt) if things else None
        if request is None and not self.speaks:
            raise StatusError(Code.UNSUPPORTED, f"{self.name} has not learned to write")
        try:
            if request is not None:
                classes = classes_of(request.name, things)
                image, _ = self._image(rgb, view)
                found = detect(*self._maps(image), classes)
                return write_reply(request, found, view.width, view.height)
            read = self._read(*self._image(rgb, view))
            ids = self._write(prompt, read.cache, max_tokens)
        except torch.OutOfMemoryError as error:
            raise self._out_of_memory(view) from error
        return self.tokenizer.decode(ids, skip_special_tokens=True)

    def _maps(self, image: torch.Tensor) -> tuple:
        """Return the thing head's probabilities (1 + classes, h, w) and boxes (4, h, w) [px]."""
        last = self._thing_maps
        if last is None or not torch.equal(last[0], image):
            maps = self.module.things.class_probabilities(self.module.pyramid(image))
            last = image, tuple(to_host(*(values[0].float() for values in maps)))
            self._thing_maps = last if self._keep_frame else None
        return last[1]

    def _read(self, image: torch.Tensor, principal: torch.Tensor) -> _ReadImage:
        """Let the language model read an image, unless it has just read this very one."""
        last, self._read_image = self._read_image, None
        same = (
            last is not None
            and torch.equal(last.image, image)
            and torch.equal(last.principal, principal)
        )
        if not same:
            last = _ReadImage(image, principal, self._new_cache())
            self.module.states(self.module.encode_image(image, principal).tokens, last.cache)
        tokens = 1 + image.shape[1] * image.shape[2] // STRIDE**2
        extra = last.cache.get_seq_length() - tokens  # an earlier question and its answer
        if extra:
            last.cache.crop(-extra)
        self._read_image = last if self._keep_frame else None
        return last

    def _write(self, prompt: str, cache: DynamicCache, most: int) -> list[int]:
        """Decode greedily after a question; returns the ids of the reply without its end."""
        (asked,) = question_ids(self.tokenizer, [prompt])
        room = self.module.language.config.max_position_embeddings - cache.get_seq_length()
        if len(asked) >= room:
            raise StatusError(
                Code.BAD_QUESTION,
                f"the question has {len(asked)} tokens: must be "
                f"fewer than {room} for this image; ask in fewer words",
            )
        end, reply = self.tokenizer.convert_tokens_to_ids(END), []
        device = self.module.cell.weight.device
        ids = torch.tensor([asked], device=device)
        for _ in range(min(most, room - len(asked))):
            states = self.module.states(self.module.embed(ids), cache)
            ids = self.module.logits(states[:, -1:]).argmax(-1)
            token = int(ids)
            if token == end:
                break
            reply.append(token)
            if self.on_token is not None:
                self.on_token()
        return reply

    def _image(self, rgb: np.ndarray, view: CanonicalView) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the view's image, uint8 (1, h, w, 3), and principal point (1, 2), on the device.

        Raises StatusError(BAD_IMAGE) for an image that is not the view's source.
        """
        self._last_area = view.width * view.height
        check_source_image(rgb, view)
        device = self.module.cell.weight.device
        image = image_patches.resize(to_device(rgb, device)[None], view.width, view.height)
        principal = torch.tensor([[view.camera.cx, view.camera.cy]], device=device)
        return image, principal

    def _new_cache(self) -> DynamicCache:
        return DynamicCache(config=self.module.language.config)

    def _out_of_memory(self, view: CanonicalView) -> StatusError:
        self._read_image = self._thing_maps = None
        torch.cuda.empty_cache()
        what = f"a view of {view.width} x {view.height} px"
        return out_of_memory(self.name, what, self.path.max_pixels)
