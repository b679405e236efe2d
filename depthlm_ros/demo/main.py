"""The demonstration: a live camera, depth and answers on real ROS 2, beside the truth.

    ./run demo [--seconds 16] [--photos FILE.jsonl] [--keep]

Starts camera_node and depth_node as processes on a ROS domain of their own and watches them
through topics and services alone. Ends with 0 only when pictures, depth and answers came.
"""

import argparse
import json
import time
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from depthlm_ros.client import DepthClient
from depthlm_ros.demo import clearance_round, tables
from depthlm_ros.demo.context import CAMERA, DemoContext, prepare_ros, say
from depthlm_ros.demo.exit_code import exit_code
from depthlm_ros.demo.image_folder_run import ImageFolderRun, find_photographs, totals
from depthlm_ros.demo.keep_running import keep_running
from depthlm_ros.demo.live_run import LiveRun
from depthlm_ros.demo.node_processes import Children, DemoError
from depthlm_ros.demo.output_files import empty, write_clouds, write_live, write_photographs
from depthlm_ros.demo.subscriber import STREAMS, TOPICS, TopicSubscriber
from depthlm_ros.demo.your_camera import page_address, start_web
from depthlm_ros.models.arguments import add_model_name
from depthlm_ros.status import Code, StatusError

OUT = Path("out") / "demo"


def arguments(args=None):
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="./run demo", description=__doc__.split("\n\n")[0])
    add = parser.add_argument
    add("--seconds", type=_positive(float), default=16.0, help="of the live part (default 16)")
    add("--looks", type=_positive(int), default=4, help="rounds of questions in it (default 4)")
    add("--rate", type=_positive(float), default=5.0, help="pictures a second [Hz] (default 5)")
    add("--seed", type=_natural, default=0, help="of the scenes and the pixels (default 0)")
    add_model_name(parser)
    add("--photos", metavar="PATH", help="jsonl file of labelled photographs, or its folder")
    add(
        "--photos-root",
        metavar="DIR",
        type=Path,
        help="what the paths in that file are below (default: the file's folder)",
    )
    add("--no-photos", action="store_true", help="leave the photographs out")
    add("--out", type=Path, default=OUT, help=f"folder for the files (default {OUT})")
    add("--domain", type=int, choices=range(102), metavar="N", help="ROS domain, 0 to 101")
    add(
        "--max-age",
        type=_positive(float),
        default=5.0,
        help="max_age of depth_node [s] (default 5: machine and model may be slow)",
    )
    add("--web", action="store_true", help="show a page, and go on until Ctrl-C")
    add("--host", default="127.0.0.1", help="address of the page; another one needs a token")
    add("--port", type=int, default=8080, help="port of the page (default 8080; 0: a free one)")
    add("--keep", action="store_true", help="go on for RViz or Foxglove until Ctrl-C")
    return parser.parse_args(args)


def _natural(text: str) -> int:
    if not 0 <= int(text) < 2**31:
        raise argparse.ArgumentTypeError(f"{text}: must be 0 or more")
    return int(text)


def _positive(kind):
    def read(text: str):
        value = kind(text)
        if not 0 < value < 1e6:
            raise argparse.ArgumentTypeError(f"{text}: must be above 0")
        return value

    read.__name__ = f"positive {kind.__name__}"
    return read


class Demo:
    """One run; ``report`` collects every number for demo.json."""

    def __init__(self, options, context: DemoContext):
        self._options, self._context = options, context
        self.report: dict = {"options": {k: str(v) for k, v in vars(options).items()}}
        self.files: list[Path] = []

    def run(self, photographs: Path | None) -> None:
        """Show everything. Raises DemoError."""
        self._start()
        live = self._live()
        self._report_live(live)
        if photographs is not None:
            self._context.children.stop(CAMERA)
            self._photographs(photographs, live.streams["depth"]["latency_p95_ms"] / 1e3)

    # -- the scenes ---------------------------------------------------------------------------

    def start_scenes(self) -> None:
        """Start the camera on the scenes."""
        options = self._options
        self._context.start_camera(
            source="scenes",
            rate_hz=options.rate,
            seed=options.seed,
            shots_per_scene=None if options.keep else shots_per_scene(options),
        )

    def _start(self) -> None:
        begin = time.monotonic()
        say(f"starting camera_node (scenes) and depth_node (model {self._options.model!r}) ...")
        self.start_scenes()
        self._context.start_depth(model=self._options.model, max_age=self._options.max_age)
        if self._options.web:
            self._show_page()
        self._report_model()
        self._part = LiveRun(self._context, np.random.default_rng(self._options.seed))
        self._part.wait_for_first()
        say(f"the first depth came {time.monotonic() - begin:.0f} s after the start\n")

    def _show_page(self) -> None:
        """Start the page and tell its address as soon as it is known."""
        child = start_web(self._context.children, self._options)
        opened = self._context.wait_for(lambda: page_address(child), "page", 60.0)
        say(f"the page: {opened}\n")

    def _report_model(self) -> None:
        """Tell what the checkpoint says of its own accuracy."""
        measured = measured_of(self._options.model)
        self.report["model"] = {"name": self._options.model, "measured": measured}
        if not measured:
            say("the model states no measured accuracy of its own (config.json: measured)")
            return
        say("measured accuracy of this model, as stated in its config.json:")
        for line in tables.measured_table(measured):
            say(f"  {line}")

    def _live(self):
        seconds, looks = self._options.seconds, self._options.looks
        say(f"live for {seconds:g} s; {looks} rounds of questions through /depthlm/ask,")
        say("each answer beside the truth of the very picture that it rests on\n")
        return self._part.run(seconds, looks, self._report_round)

    def _report_round(self, look, number: int) -> None:
        say(f"round {number} of {self._options.looks}")
        for line in (*tables.answers_table(look.all_answers), *clearance_round.lines(look.ways)):
            say(f"  {line}")
        say()

    def _report_live(self, live) -> None:
        ways = [way for one in live.rounds for way in one.ways]
        wrong = sum(way.is_wrong for way in ways)
        say(f"ways for {clearance_round.BODY}:")
        say(f"  {len(ways)} asked, {wrong} called clear although something stands there\n")
        say("refused, as it must be")
        for wrong, question, reply in live.refusals:
            say(f"  {wrong}: {question}\n    {reply.code.name}: {reply.text}")
        ours, constant = live.accuracy()
        say(f"\nthis run's accuracy: {ours.read} of {ours.points} points read by query_points,")
        say("away from depth steps and sky; z-depth against the truth of the same pictures")
        for line in tables.accuracy_lines(ours, constant):
            say(f"  {line}")
        output = self._context.subscriber.diagnostics.get("output", {})
        say(f"\nthe streams, {self._options.seconds:g} s, latency from the picture's stamp")
        named = {name: TOPICS[name][1] for name in ("image", *STREAMS)}
        for line in tables.streams_table(live.streams, output, named):
            say(f"  {line}")
        hertz = live.streams["image"]["rate_hz"]
        if hertz < 0.8 * self._options.rate:
            say(f"  /image: asked for {self._options.rate:g} Hz, this machine renders {hertz:.1f}")
        missed = live.streams["pictures without a depth"]
        dropped = output.get("frames dropped", "unknown")
        say(f"  pictures without a depth: {missed}; the node has dropped {dropped} for newer ones")
        self._note_live(live, ours, constant)
        self._check_live(live)

    def _note_live(self, live, ours, constant) -> None:
        self.report["live"] = {
            "streams": live.streams,
            "node": self._context.subscriber.diagnostics,
            "answers": [answer.as_dict() for answer in live.answers],
            "named": [answer.as_dict() for answer in live.named],
            "ways": [way.as_dict() for one in live.rounds for way in one.ways],
            "refusals": [
                {"wrong": wrong, "question": question, "code": r.code.name, "text": r.text}
                for wrong, question, r in live.refusals
            ],
            "accuracy_of_this_run": ours.as_dict(),
            "best_constant": constant.as_dict(),
        }
        self.files += write_live(self._context.out, live.rounds)
        self.files += write_clouds(self._context.out, live.rounds)

    def _check_live(self, live) -> None:
        """Fail when a kind of question got no answer at all."""
        for task in {answer.asked.task for answer in live.answers}:
            replies = [a.reply for a in live.answers if a.asked.task == task]
            if all(reply.code != Code.OK for reply in replies):
                last = replies[-1]
                raise DemoError(
                    f"no question of the kind {task.value!r} was answered; the last got "
                    f"{last.code.name}: {last.text}"
                )

    # -- the photographs ----------------------------------------------------------------------

    def _photographs(self, path: Path, latency_s: float) -> None:
        say(f"\nphotographs of {path} through the same nodes; z-depth at their labels")
        say(f"  {tables.photograph_head()}")
        part = ImageFolderRun(self._context, path, latency_s)
        read = part.run(
            lambda one: say(f"  {tables.photograph_line(one.photograph.name, one.accuracy())}")
        )
        total, constant = totals(read)
        say(f"  {tables.photograph_line('all', total)}")
        say(f"  {tables.photograph_line('best constant, the truth known', constant)}")
        self.report["photographs"] = {
            "path": str(path),
            "each": {one.photograph.name: one.accuracy().as_dict() for one in read},
            "all": total.as_dict(),
            "best_constant": constant.as_dict(),
        }
        self.files += write_photographs(self._context.out, read)

    # -- the end ------------------------------------------------------------------------------

    def write_report(self) -> Path:
        """Write demo.json; return its path."""
        self.report["exit_codes"] = self._context.children.exit_codes
        path = self._context.out / "demo.json"
        tables.write_json(path, self.report)
        return path

    def report_files(self, seconds: float) -> None:
        """Tell what there is to look at."""
        say(f"\nshown in {seconds:.0f} s. To look at:")
        for path in [*self.files, self.write_report()]:
            say(f"  {path}")


def perform(options) -> None:
    """Run the demonstration. Raises DemoError, KeyboardInterrupt."""
    begin = time.monotonic()
    empty(options.out)
    photographs, said = None, "photographs: left out"
    if not options.no_photos:
        photographs, said = find_photographs(options.photos)
    domain = prepare_ros(options.domain)
    say(f"ROS domain {domain}; files go to {options.out}/; {said}")
    with ExitStack() as stack:
        children = stack.enter_context(Children(options.out))
        subscriber = TopicSubscriber()
        stack.callback(subscriber.close)
        client = stack.enter_context(DepthClient())
        context = DemoContext(options, options.out, children, subscriber, client)
        demo = Demo(options, context)
        demo.run(photographs)
        demo.report_files(time.monotonic() - begin)
        if options.keep:
            keep_running(demo, context, domain)
    demo.write_report()
    for name, code in children.exit_codes.items():
        if code != 0:
            say(f"{name} ended with {code} instead of 0; its log is {options.out / name}.log")


def shots_per_scene(options) -> int:
    """Return how many pictures a scene lasts: half a round, so that each round sees another."""
    return max(1, round(options.rate * options.seconds / options.looks / 2))


def measured_of(model: str) -> dict:
    """Return what a checkpoint states of its accuracy (config.json). Raises DemoError."""
    from depthlm_ros.models.registry import source_of
    from depthlm_ros.models.weights.hub import find

    try:
        path = find(source_of(model)) / "config.json"
        return dict(json.loads(path.read_text(encoding="utf-8")).get("measured", {}))
    except StatusError as refusal:
        raise DemoError(refusal.text) from refusal
    except (OSError, ValueError) as error:
        raise DemoError(f"model {model!r}: {error}") from error


def main(args=None) -> int:
    """Run the demonstration; return the exit code."""
    options = arguments(args)
    failed, interrupted = "the demonstration failed: ", "interrupted; the nodes have ended"
    return exit_code(lambda: perform(options), failed, interrupted)


if __name__ == "__main__":
    raise SystemExit(main())
