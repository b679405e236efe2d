"""``depthlm ask``: a question about points of one picture, answered or refused as in the node."""

import contextlib
from dataclasses import asdict, replace
from pathlib import Path

from depthlm_ros.cli.console import note, print_json
from depthlm_ros.cli.depth import ASSUMED
from depthlm_ros.cli.image_input import frame_of
from depthlm_ros.cli.inference import call_with_retry, estimate_frame, load_model, make_estimator
from depthlm_ros.status import Code, StatusError


def run(options) -> int:
    """Print the answer; 0 with one, 1 without."""
    from depthlm_ros.language.answer import refused

    frame_depth = photo = None
    try:
        answer, frame_depth, photo = _answer(options)
    except StatusError as refusal:
        answer = refused(refusal.code, refusal.text)
    if options.output and frame_depth is not None:
        _draw(frame_depth, answer, options)
    if options.json:
        print_json(_record(answer, options, photo))
    elif answer.success:
        print(answer.sentence)
        if photo.assumed:
            print(ASSUMED)
    else:
        note(f"{answer.code.name}: {answer.text}")
    return 0 if answer.success else 1


def _answer(options):
    """Return (Answer, FrameDepth, Photograph): the same steps as the service ~/ask.

    Without waiting for a frame.
    """
    from depthlm_ros import asking
    from depthlm_ros.estimator import FrameDepth
    from depthlm_ros.language.answer import answer_freely
    from depthlm_ros.language.question import Able, FreeQuestion, read_any_question
    from depthlm_ros.language.question_checks import UnclearError
    from depthlm_ros.language.things import region_thing
    from depthlm_ros.models.base import speaks

    _check_order(options.image, options.question)
    pixels = [tuple(pixel) for pixel in options.at]
    if options.region:
        pixels.append(region_thing(*options.region))
    with contextlib.suppress(UnclearError):  # which the model may read
        read_any_question(options.question, pixels, able=Able.THINGS | Able.WAYS)  # before loading
    frame, rectifier, photo = frame_of(options.image, options)
    model = load_model(options)
    read, can = None, asking.able(model)
    try:
        question = read_any_question(options.question, pixels, able=can)
    except UnclearError as refusal:
        if not asking.may_read(model, can, options.question, pixels):
            raise
        arguments = options.question, refusal, frame, model, can
        read = call_with_retry(model, lambda: asking.read_unclear(*arguments))
        question = read.question
    if isinstance(question, FreeQuestion):
        question.check(speaks(model))
        reply = call_with_retry(
            model, lambda: model.reply(frame.rgb, frame.camera, question.words)
        )
        return answer_freely(reply), FrameDepth(frame, rectifier, None), photo
    estimator = make_estimator(model, options)
    frame_depth = estimate_frame(estimator, frame, rectifier)
    scene = asking.FrameScene(estimator, frame_depth)
    answer = call_with_retry(model, lambda: asking.answer_frame(question, scene, options.verify))
    if answer.success and asking.answers_itself(model, question):
        said = call_with_retry(model, lambda: asking.own_answer(question, frame_depth, model))
        answer = replace(answer, sentence=answer.sentence + said)
    return asking.told_as_read(answer, read) if read else answer, frame_depth, photo


def _check_order(image: str, question: str) -> None:
    if " " in image and not Path(image).exists() and Path(question).is_file():
        raise StatusError(
            Code.BAD_QUESTION, f"the picture comes first: depthlm ask {question} {image!r}"
        )


def _draw(frame_depth, answer, options) -> None:
    """Write the picture with the readings; on the rectified one, where the lens was not ideal."""
    from depthlm_ros.image_io.depth_files import write_png
    from depthlm_ros.visualization.annotate import annotate

    pixels = [point.pixel for point in answer.evidence]
    rectified = frame_depth.rectifier.source_to_rectified(pixels) if pixels else []
    shown = [
        replace(point, pixel=tuple(pixel))
        for point, pixel in zip(answer.evidence, rectified, strict=True)
    ]
    write_png(options.output, annotate(frame_depth.frame.rgb, None, shown))
    note(f"wrote {options.output}")


def _record(answer, options, photo) -> dict:
    """Return an answer for programs; its fields are those of the service."""
    evidence = [
        {**asdict(point), "code": point.code.name, "interval": str(point.interval)}
        for point in answer.evidence
    ]
    return {
        "question": options.question,
        "image": options.image,
        "model": options.model,
        "success": answer.success,
        "code": answer.code.name,
        "text": answer.text,
        "answer": answer.sentence,
        "task": answer.task,
        "value": answer.value,
        "unit": answer.unit,
        "low": answer.low,
        "high": answer.high,
        "interval": str(answer.interval),
        "source": answer.source,
        "focal_length": photo.source if photo else "",
        "focal_length_assumed": bool(photo and photo.assumed),
        "evidence": evidence,
    }
