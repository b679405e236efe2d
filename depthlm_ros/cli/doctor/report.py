"""``depthlm doctor``: findings about this machine, a model and ROS, each with what to do.

Looks and never repairs. A check that cannot be made is a finding too.
"""

import importlib.metadata
import platform
from dataclasses import asdict, replace
from pathlib import Path

from depthlm_ros.cli.console import print_json, sentence_of
from depthlm_ros.cli.doctor.finding import FAIL, OK, WARN, Finding
from depthlm_ros.status import StatusError

HEADROOM = 1.25
"""What a model takes beside its weights, as a factor: activations and buffers."""
LARGE_M = 500
"""Millions of parameters above which a CPU is too slow for a live camera."""


def run(options) -> int:
    """Print the findings; 1 when one of them is FAIL, else 0."""
    from depthlm_ros.cli.doctor import ros as doctor_ros

    topics = options.image_topic, options.camera_info_topic
    findings = [*machine(), *model(options), *doctor_ros.environment(any(topics))]
    if any(topics) and not any(f.level == FAIL and f.what == "ROS" for f in findings):
        from depthlm_ros.cli.doctor import camera as doctor_camera

        findings += doctor_camera.camera(*topics, options.seconds)
    worst = max(findings, key=lambda f: (OK, WARN, FAIL).index(f.level)).level
    if options.json:
        print_json({"worst": worst, "findings": [asdict(finding) for finding in findings]})
    else:
        _print(findings)
    return 1 if worst == FAIL else 0


def _print(findings: list) -> None:
    width = max(len(finding.what) for finding in findings)
    for f in findings:
        print(f"{f.level:<4}  {f.what:<{width}}  {f.text}")
        if f.remedy:
            print(f"{'':<4}  {'':<{width}}  -> {f.remedy}")
    counts = {level: sum(f.level == level for f in findings) for level in (WARN, FAIL)}
    print(f"\n{counts[FAIL]} failed, {counts[WARN]} warnings, {len(findings)} findings")


def machine() -> list[Finding]:
    """Check Python, torch, the GPU and transformers."""
    text = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    return [Finding(OK, "Python", text), *_torch(), _transformers()]


def _torch() -> list[Finding]:
    try:
        import torch
    except (ImportError, OSError) as error:  # OSError: a library of CUDA that is missing
        remedy = "pip install torch (on a Jetson: NVIDIA's wheel, docs/install.md)"
        return [Finding(FAIL, "torch", sentence_of(error), remedy)]
    return [Finding(OK, "torch", torch.__version__), _gpu(torch)]


def _gpu(torch) -> Finding:
    if torch.cuda.is_available():
        free, total = torch.cuda.mem_get_info()
        name, (major, minor) = torch.cuda.get_device_name(), torch.cuda.get_device_capability()
        text = f"{name}, compute {major}.{minor}, {free / 1e9:.1f} of {total / 1e9:.1f} GB free"
        if major < 8:
            remedy = "give --dtype float16: bfloat16 is slow before compute capability 8.0"
            return Finding(WARN, "GPU", text, remedy)
        return Finding(OK, "GPU", text)
    if any(Path("/dev").glob("nvidia[0-9]*")):
        built = f"built for CUDA {torch.version.cuda}" if torch.version.cuda else "a CPU build"
        text = f"there is an NVIDIA GPU that this torch, {built}, cannot use"
        return Finding(WARN, "GPU", text, "install a torch that fits the driver (nvidia-smi)")
    return Finding(OK, "GPU", "none: models run on the CPU")


def _transformers() -> Finding:
    try:
        version = importlib.metadata.version("transformers")
    except importlib.metadata.PackageNotFoundError:
        return Finding(FAIL, "transformers", "not installed", "pip install transformers")
    from depthlm_ros.models.versions import REQUIREMENT, check_transformers

    try:
        check_transformers(version)
    except StatusError:
        remedy = f"pip install '{REQUIREMENT}'"
        return Finding(FAIL, "transformers", f"{version}: must be {REQUIREMENT}", remedy)
    return Finding(OK, "transformers", version)


def model(options) -> list[Finding]:
    """Check that the model is here, whole, and fits the device; nothing is loaded."""
    from depthlm_ros.models.external import PLUGIN, TRANSFORMERS

    what = f"model {options.model}"
    if options.model.startswith(PLUGIN):
        return [Finding(OK, what, "of another package, which loads and checks it itself")]
    try:
        from depthlm_ros.models import registry

        opened = registry.locate(options.model, options.revision)
        is_external = options.model.startswith(TRANSFORMERS)
        kind = opened.config.get("model_type") if is_external else opened.format
        text = f"{kind}, {opened.parameters / 1e6:.1f} M parameters, {opened.folder}"
    except Exception as error:  # StatusError, or torch is missing: each is a finding
        said = getattr(error, "text", None) or sentence_of(error)
        remedy = _how_to_get(options.model)
        return [Finding(FAIL, what, said, remedy)]
    if is_external:  # which options it has is known when it is loaded
        return [Finding(OK, what, text), _check_memory(opened, options)]
    try:
        family = registry.family_of(opened)
    except StatusError as refusal:
        return [Finding(FAIL, what, refusal.text, "`depthlm models` lists what can measure")]
    found = [Finding(OK, what, text)]
    if options.option:
        found.append(_options(family, options.option))
    return [*found, _check_memory(opened, options)]


def _options(family: str, texts: list) -> Finding:
    from depthlm_ros.models.options import parse_pairs, validate

    try:
        validate(family, parse_pairs(texts))
    except StatusError as refusal:
        return Finding(FAIL, "model options", refusal.text, "`depthlm models --options`")
    return Finding(OK, "model options", ", ".join(texts))


def _how_to_get(name: str) -> str:
    from depthlm_ros.models.registry import KNOWN
    from depthlm_ros.models.weights.hub import HUB_ID

    source = KNOWN[name].source if name in KNOWN else name
    if HUB_ID.fullmatch(source) and not Path(name).exists():
        return f"depthlm fetch {name}"
    return "give --model a folder with config.json and *.safetensors, or a hub id (depthlm models)"


def _check_memory(opened, options) -> Finding:
    from depthlm_ros.models import device as disk
    from depthlm_ros.models import device_memory
    from depthlm_ros.models.weights.quantization import make_quantizer

    try:
        device = disk.pick_device(options.device)
        kind = disk.pick_dtype(options.dtype, device)
        opened = replace(opened, quantizer=make_quantizer(options.quantize, device, kind))
    except StatusError as refusal:
        return Finding(FAIL, "device", refusal.text, "see the text")
    free, need = device_memory.free_device_bytes(device), opened.need_bytes(kind)
    short = str(kind).removeprefix("torch.")
    short += f" and {options.quantize}" if opened.quantizer else ""
    text = f"weights need {need / 1e9:.2f} GB in {short}; {device} has {free / 1e9:.1f} GB free"
    if need > free:
        remedy = "take a smaller model, --dtype bfloat16 or --quantize int8, or free the memory"
        return Finding(FAIL, "memory", text, remedy)
    if need * HEADROOM > free:
        remedy = "little is left for images: lower their size by --option max_pixels=N"
        return Finding(WARN, "memory", text, remedy)
    if device.type == "cpu" and opened.parameters > LARGE_M * 1e6:
        return Finding(WARN, "memory", text, "a CPU takes minutes a frame: use a GPU")
    return Finding(OK, "memory", text)
