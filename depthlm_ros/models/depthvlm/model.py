"""DepthVLM as the estimator uses it: a source image in, a metric map or a sentence out.

From the bytes of a picture to the bytes of a cloud everything is done on the device.
"""

import contextlib
from dataclasses import dataclass

import numpy as np
import torch
from transformers import DynamicCache, StoppingCriteria

from depthlm_ros.geometry.camera import PinholeCamera
from depthlm_ros.geometry.canonical_view import CanonicalView
from depthlm_ros.models.base import QWEN3_VL_BOXES, PostprocessConfig, PostprocessedDepth, noop
from depthlm_ros.models.depthvlm import published_preprocess
from depthlm_ros.models.depthvlm.loading import conversation, load_module
from depthlm_ros.models.depthvlm.network import SUFFIX, DepthVLMModule
from depthlm_ros.models.runtime import image_patches
from depthlm_ros.models.runtime.checks import check_source_image, out_of_memory
from depthlm_ros.models.runtime.depth_postprocess import NewestMap, postprocess
from depthlm_ros.models.runtime.host_device import to_device, to_host
from depthlm_ros.models.weights.chat_template import SYSTEM, check_template
from depthlm_ros.models.weights.checkpoint import Checkpoint
from depthlm_ros.status import StatusError

SMALLEST_VIEW = 16  # tokens


@dataclass(frozen=True)
class _Remembered:
    """An image that the language model has read: its patches, and the keys and values."""

    patches: torch.Tensor
    grid: tuple
    cache: DynamicCache


class DepthVLM:
    """A loaded DepthVLM; a OnDevicePostprocess and a LanguageModel (``models/base.py``).

    ``published_preprocessing``: resample as the published demo does (PIL, three steps, no focal
    correction) instead of once on the device. ``max_pixels``: a lower limit for the view's area
    than the checkpoint's own, where memory is short. ``keep_frame``: hold the keys and values of
    the last image, so that questions about it cost their own tokens only (for 4B some 170 MB);
    None: where the model speaks. Used by one thread at a time. ``stage_callback`` is called
    with the name of each stage done.
    ``on_token``: called after each token of a reply, on the same thread; it may look at other
    images meanwhile, and ends the reply by raising.
    """

    def __init__(
        self,
        module: DepthVLMModule,
        tokenizer,
        name: str = "depthvlm",
        published_preprocessing: bool = False,
        max_pixels: int | None = None,
        keep_frame: bool | None = None,
    ):
        self.name = name
        self.ratio_90, self.interval = module.settings.ratio_90, module.settings.interval
        self.module = module.freeze()
        self.tokenizer = tokenizer
        self.path = module.settings.path.limited(max_pixels)
        self._published = published_preprocessing
        self.stage_callback = noop
        self.on_token = None
        self.speaks = module.settings.speaks
        self.grounding = QWEN3_VL_BOXES if self.speaks else None
        self._keep_frame = self.speaks if keep_frame is None else keep_frame
        self._last_area = 0
        self._remembered = None
        self.postprocesses = module.device.type == "cuda"
        self._newest_map = NewestMap()

    @classmethod
    def from_checkpoint(
        cls,
        checkpoint: Checkpoint,
        name: str,
        device: torch.device,
        dtype: torch.dtype,
        chat_template: str = "check",
        **options,
    ) -> "DepthVLM":
        """Build the network without memory, then load the weights straight onto ``device``."""
        tokenizer = checkpoint.tokenizer()
        check_template(chat_template, tokenizer, checkpoint.folder, conversation, SYSTEM)
        module = load_module(checkpoint, device, dtype, tokenizer)
        return cls(module, tokenizer, name, **options)

    def view_of(self, camera: PinholeCamera) -> CanonicalView:
        """Say which view of a source camera's image this model wants."""
        of = published_preprocess.published_view_of if self._published else image_patches.view_of
        return of(camera, self.path)

    def shrink(self) -> bool:
        """Work on smaller views from now on, after memory ran out: half the area of the last.

        False when it is as small as it gets.
        """
        smaller = min(self._last_area or self.path.max_pixels, self.path.max_pixels) // 2
        if smaller < SMALLEST_VIEW * self.path.multiple**2:
            return False
        self.path = self.path.limited(smaller)
        self._newest_map.forget()
        return True

    def depth(self, rgb: np.ndarray, view: CanonicalView) -> np.ndarray:
        """Map a source image, uint8 (H, W, 3), to z-depth, float32 (view.height, view.width).

        Contract: ``DenseDepthModel.depth``. Raises StatusError(BAD_IMAGE) for an image that is not
        the view's source, StatusError(MODEL_ERROR) when the device's memory does not suffice.
        """
        image = self._image(rgb, view)
        with self._memory_refused(view), torch.inference_mode():
            (depth,) = to_host(self._map(to_device(image, self.module.device), view))
        return np.where(np.isfinite(depth) & (depth > 0), depth, np.float32(np.nan))

    def postprocessed(
        self,
        rgb: np.ndarray,
        view: CanonicalView,
        options: PostprocessConfig,
        valid: np.ndarray | None = None,
    ) -> PostprocessedDepth:
        """Map a source image to its own depth; contract: ``OnDevicePostprocess.postprocessed``.

        Raises what ``depth`` raises.
        """
        image, device = self._image(rgb, view), self.module.device
        with self._memory_refused(view), torch.inference_mode():
            on_device = to_device(image, device)
            source = on_device if image is rgb else to_device(rgb, device)
            mask = None if valid is None else to_device(valid, device)
            depth_m = postprocess(self._map(on_device, view), view, options, mask)
            self.stage_callback("finish")
            number = self._newest_map.hold(depth_m, source, view)
            (array,) = to_host(depth_m)
        return PostprocessedDepth(array, number)

    @torch.inference_mode()
    def packed_cloud(self, number: int, edge_ratio: float | None) -> np.ndarray | None:
        """Pack a map's cloud on the device; contract: ``OnDevicePostprocess.packed_cloud``."""
        try:
            bits = self._newest_map.packed(number, edge_ratio)
        except torch.OutOfMemoryError:
            self._newest_map.forget()  # the host packs it
            return None
        return None if bits is None else to_host(bits)[0]

    def _map(self, image: torch.Tensor, view: CanonicalView) -> torch.Tensor:
        """Return the map float32 (view.height, view.width) of uint8 (H', W', 3) on the device."""
        patches, grid = self._cut(image[None], view)
        self.stage_callback("preprocess")
        self._remembered = None  # its memory is free for this pass
        cache = self._new_cache() if self._keep_frame else None
        depth = self.module(patches, grid, cache=cache).depth[0]
        if cache is not None:
            self._remembered = _Remembered(patches, grid, cache)
        return depth

    @contextlib.contextmanager
    def _memory_refused(self, view: CanonicalView):
        """Turn running out of memory into StatusError(MODEL_ERROR)."""
        try:
            yield
        except torch.OutOfMemoryError as error:
            raise self._out_of_memory(view) from error

    @torch.inference_mode()
    def reply(
        self, rgb: np.ndarray, camera: PinholeCamera, prompt: str, max_tokens: int = 128
    ) -> str:
        """Answer ``prompt`` about the image in the model's own words, greedily decoded.

        Special tokens are left out and nothing else is cleaned: the caller parses strictly.
        Raises what ``depth`` raises.
        """
        view = self.view_of(camera)
        with self._memory_refused(view):
            read = self._read(*self._patches(rgb, view))
            ids = self._conversation(prompt, read.cache.get_seq_length())
            out = self.module.vlm.generate(
                ids,
                past_key_values=read.cache,
                max_new_tokens=max_tokens,
                do_sample=False,
                attention_mask=torch.ones_like(ids),
                eos_token_id=self._ends(),
                pad_token_id=self.tokenizer.pad_token_id,
                stopping_criteria=[_BetweenTokens(self)] if self.on_token else None,
            )
        return self.tokenizer.decode(out[0, ids.shape[1] :], skip_special_tokens=True)

    def _ends(self) -> list[int]:
        """Return the tokens that end a reply: the tokenizer's own, and those of Qwen's chat."""
        words = {"<|im_end|>", "<|endoftext|>"} & self.tokenizer.get_vocab().keys()
        ends = {self.tokenizer.eos_token_id, *self.tokenizer.convert_tokens_to_ids(sorted(words))}
        return sorted(ends - {None})

    def _new_cache(self) -> DynamicCache:
        return DynamicCache(config=self.module.vlm.config.text_config)

    def _read(self, patches: torch.Tensor, grid: tuple) -> _Remembered:
        """Let the language model read prefix and image, unless it has just read this very one."""
        last, self._remembered = self._remembered, None
        if last is None or last.grid != grid or not torch.equal(last.patches, patches):
            last = _Remembered(patches, grid, self._new_cache())
            self.module.features(patches, grid, cache=last.cache)
        positions = self.module.positions_3d(grid, 1)
        length = positions.shape[1] - 1
        extra = last.cache.get_seq_length() - length  # an earlier question and its answer
        if extra:
            last.cache.crop(-extra)
        # The text after the image counts on from here: stock generate adds this to the length.
        offset = positions[0, -1] - length
        self.module.vlm.model.rope_deltas = offset.reshape(1, 1).to(patches.device)
        self._remembered = last if self._keep_frame else None
        return last

    def _conversation(self, prompt: str, read: int) -> torch.Tensor:
        """Return the whole conversation's ids (1, length), of which ``read`` are in the cache."""
        clean = prompt.replace("<|", "< |")  # a question cannot speak in the template's voice
        image = read - len(self.module.prefix_ids)
        ids = [
            *self.module.prefix_ids.tolist(),
            *[self.module.vlm.config.image_token_id] * image,
            *self.tokenizer(SUFFIX.format(question=clean))["input_ids"],
        ]
        return torch.tensor([ids], device=self.module.device)

    def _patches(self, rgb: np.ndarray, view: CanonicalView) -> tuple:
        """Return a source image's patches on the device, and their grid."""
        return self._cut(to_device(self._image(rgb, view), self.module.device)[None], view)

    def _image(self, rgb: np.ndarray, view: CanonicalView) -> np.ndarray:
        """Return what is uploaded of a source image, uint8 (H', W', 3)."""
        self._last_area = view.width * view.height
        check_source_image(rgb, view)
        if self._published:
            return published_preprocess.published_resize(rgb, view.source.fx, self.path)
        return rgb

    def _cut(self, image: torch.Tensor, view: CanonicalView) -> tuple:
        """Resample uint8 (1, H, W, 3) to the view and cut it into patches: (patches, grid)."""
        resized = image_patches.resize(image, view.width, view.height)
        return image_patches.to_patches(resized, self.path, self.module.dtype)

    def _out_of_memory(self, view: CanonicalView) -> StatusError:
        self._newest_map.forget()
        torch.cuda.empty_cache()
        what = f"a view of {view.width} x {view.height} px"
        return out_of_memory(self.name, what, self.path.max_pixels)


class _BetweenTokens(StoppingCriteria):
    """Calls the model's ``on_token`` after each token; never stops a reply by itself."""

    def __init__(self, model: DepthVLM):
        self._model = model

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor, **kwargs) -> torch.Tensor:
        """Return False for each row, (B,), having kept the state that other images change."""
        model = self._model
        inner, remembered = model.module.vlm.model, model._remembered
        offsets = inner.rope_deltas
        model.on_token()
        if model._remembered is not remembered:
            model._remembered = None  # another image was read meanwhile: its states are its own
        inner.rope_deltas = offsets
        return torch.zeros(len(input_ids), dtype=torch.bool, device=input_ids.device)
