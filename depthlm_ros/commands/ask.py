"""``depthlm ask``: a question about points of one picture, answered or refused as in the node."""

from dataclasses import asdict

from depthlm_ros.commands.console import note, print_json
from depthlm_ros.commands.looking import guarded, load_model, look_at
from depthlm_ros.commands.photograph import frame_of
from depthlm_ros.status import Refusal


def run(options) -> int:
    """Print the answer; 0 with one, 1 without."""
    from depthlm_ros.language.answer import refused

    sight = None
    try:
        answer, sight = _answer(options)
    except Refusal as refusal:
        answer = refused(refusal.code, refusal.text)
    if options.output and sight is not None:
        _draw(sight, answer, options)
    if options.json:
        print_json(_record(answer, options))
    elif answer.success:
        print(answer.sentence)
    else:
        note(f"{answer.code.name}: {answer.text}")
    return 0 if answer.success else 1


def _answer(options):
    """Return (Answer, Sight): the same steps as the service ~/ask, without waiting for a frame."""
    from depthlm_ros import sight as seeing
    from depthlm_ros.language.answer import answer_freely, answer_question
    from depthlm_ros.language.question import FreeQuestion, read_any_question
    from depthlm_ros.models.base import speaks

    question = read_any_question(options.question, [tuple(pixel) for pixel in options.at])
    frame, rectifier, _ = frame_of(options.image, options)
    model = load_model(options)
    if isinstance(question, FreeQuestion):
        if not speaks(model):
            raise question.refusal
        reply = guarded(model, lambda: model.reply(frame.rgb, frame.camera, question.words))
        return answer_freely(reply), seeing.Sight(frame, rectifier, None)
    sight = look_at(model, frame, rectifier, options)
    pixels = question.pixels(seeing.camera_asked_about(sight))
    ranges = options.min_range, options.max_range
    readings = guarded(model, lambda: seeing.read(model, sight, pixels, *ranges))
    return answer_question(question, readings), sight


def _draw(sight, answer, options) -> None:
    """Write the picture with the readings; on the rectified one, where the lens was not ideal."""
    from dataclasses import replace

    from depthlm_ros.export import write_png
    from depthlm_ros.picture import annotate

    seen = sight.rectifier.source_to_rectified([point.pixel for point in answer.evidence])
    shown = [
        replace(point, pixel=tuple(pixel))
        for point, pixel in zip(answer.evidence, seen, strict=True)
    ]
    write_png(options.output, annotate(sight.frame.rgb, None, shown))
    note(f"wrote {options.output}")


def _record(answer, options) -> dict:
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
        "evidence": evidence,
    }
