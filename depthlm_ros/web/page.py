"""The page: picture, depth, cloud in 3-D, view from above; click for metres, ask, drop a photo.

Built with NiceGUI, whose scripts and fonts are served from this machine: nothing is loaded from
the internet. A browser is sent the next state only after it has taken the last one, so that a slow
one costs neither memory nor the others' rate.
"""

import asyncio
import contextlib
from html import escape
from math import isfinite
from urllib.parse import parse_qs, urlsplit

from fastapi import Response
from nicegui import app, run, ui

from depthlm_ros.client import ServiceTimeoutError
from depthlm_ros.status import Code
from depthlm_ros.web import drawing
from depthlm_ros.web.live import EncodedImage, LiveView
from depthlm_ros.web.photos import MAX_BYTES, Measured, PhotoDesk

PERIOD_S = 0.1
CLOUD_PERIOD_S = 0.5
SILENT_S = 2.0
ACK_TIMEOUT_S = 30.0
KEPT_LINES = 50
NEWER = "[of the newest picture: the clicked one is gone]"
_NO_STORE = {"Cache-Control": "no-store"}


def build(live: LiveView, desk: PhotoDesk) -> None:
    """Declare the page and the pictures that it loads."""
    photos: dict[str, Measured] = {}
    _serve(live, photos)

    @ui.page("/", title="depthlm")
    async def index(client=None):
        await _Page(live, desk, photos, ui.context.client).show()


def _serve(live: LiveView, photos: dict) -> None:
    @app.get("/live/{kind}.jpg")
    def live_picture(kind: str, n: int = 0):
        encoded = {"image": live.picture, "depth": live.depth}.get(kind, lambda _: None)(n)
        return _jpeg(encoded.jpeg if encoded else b"")

    @app.get("/photo/{client}/{kind}.jpg")
    def photo(client: str, kind: str):
        found = photos.get(client)
        return _jpeg(getattr(found, "depth_jpeg" if kind == "depth" else "jpeg", b""))


def _jpeg(data: bytes) -> Response:
    if not data:
        return Response(status_code=404, headers=_NO_STORE)
    return Response(data, media_type="image/jpeg", headers=_NO_STORE)


class _Page:
    """One browser's page."""

    def __init__(self, live: LiveView, desk: PhotoDesk, photos: dict, client):
        self._live, self._desk, self._photos, self._client = live, desk, photos, client
        self._last: list = []  # pixels that were clicked, at most two, and of which picture
        self._stamp_ns = 0
        self._shown: dict[str, EncodedImage] = {}  # what the browser has said to show

    async def show(self) -> None:
        """Lay the page out and keep it going until the browser leaves."""
        ui.dark_mode(True)
        ui.colors(primary="#3b6fb6")
        with ui.row().classes("w-full items-baseline"):
            ui.label("depthlm").classes("text-xl font-bold")
            self._state = ui.label("waiting for the first picture").mark("state")
        with ui.row().classes("w-full no-wrap items-start"):
            with ui.column().classes("w-2/3"):
                self._lay_pictures()
                self._lay_space()
            with ui.column().classes("w-1/3"):
                self._lay_questions()
                self._lay_photo()
        await self._client.connected()
        self._live.subscribe()
        try:
            await self._keep_going()
        finally:
            self._live.unsubscribe()
            self._photos.pop(self._client.id, None)

    # -- layout -------------------------------------------------------------------------------

    def _lay_pictures(self) -> None:
        with ui.row().classes("w-full no-wrap"):
            with ui.column().classes("w-1/2"):
                self._image = self._clickable("image")
                ui.label("click for metres; questions are about the last click, or two").classes(
                    "text-xs"
                )
            with ui.column().classes("w-1/2"):
                self._depth = self._clickable("depth")
                self._scale = ui.label("").classes("text-xs")

    def _clickable(self, name: str):
        async def clicked(event) -> None:
            await self._click(name, event.image_x, event.image_y)

        def loaded(event) -> None:
            number = _number_in(event.args.get("source", ""))
            encoded = (self._live.picture if name == "image" else self._live.depth)(number)
            if number and encoded is not None:
                self._shown[name] = encoded

        image = ui.interactive_image(on_mouse=clicked, events=["click"], cross=True)
        image.on("loaded", loaded, args=["source"])
        return image.classes("w-full").props(f'id="picture-{name}" data-what="{name}"')

    def _lay_space(self) -> None:
        with ui.row().classes("w-full no-wrap"):
            with ui.scene(width=520, height=340, background_color="#15181d", grid=False) as scene:
                self._cloud = scene.point_cloud([], point_size=0.06)
                scene.move_camera(x=-0.8, y=-0.6, z=0.6, look_at_x=4.0, look_at_z=-0.3)
            with ui.column().classes("w-1/3 gap-1"):
                self._top = ui.html(drawing.top_view([], None), sanitize=False).classes("w-full")
                self._way = ui.label("").classes("text-xs").mark("corridor")

    def _lay_questions(self) -> None:
        with ui.row().classes("w-full no-wrap items-center"):
            self._words = ui.input("Ask, as in: how far is this point?").classes("w-full")
            self._words.on("keydown.enter", self._ask).mark("question")
            ui.button("Ask", on_click=self._ask).mark("ask")
        self._log = ui.column().classes("w-full gap-1 text-sm")

    def _lay_photo(self) -> None:
        ui.upload(
            label="drop a photo here", auto_upload=True, max_file_size=MAX_BYTES,
            on_upload=self._photo, on_rejected=lambda: self._say("photo", "it is too large"),
        ).classes("w-full").props('accept="image/*,.heic"')  # fmt: skip
        self._photo_box = ui.column().classes("w-full")

    # -- going on -----------------------------------------------------------------------------

    async def _keep_going(self) -> None:
        """Send what is new, wait until the browser has it, and again."""
        loop = asyncio.get_running_loop()
        shown, cloud_due, silent_since = {"image": -1, "depth": -1, "cloud": -1}, 0.0, loop.time()
        while not self._client.is_deleted:
            new = {name for name in ("image", "depth") if self._live.number(name) != shown[name]}
            if new:
                silent_since = loop.time()
            for name in new:
                shown[name] = await self._update(name)
            if loop.time() >= cloud_due and self._live.number("depth") > max(0, shown["cloud"]):
                shown["cloud"] = self._live.number("depth")
                cloud_due = loop.time() + CLOUD_PERIOD_S
                await self._update_space()
            self._tell_state(loop.time() - silent_since, shown)
            with contextlib.suppress(TimeoutError):
                await self._client.run_javascript("return 1", timeout=ACK_TIMEOUT_S)
            await asyncio.sleep(PERIOD_S)

    async def _update(self, name: str) -> int:
        encoded = await run.io_bound(self._live.picture if name == "image" else self._live.depth)
        if encoded is None:
            return -1
        widget = self._image if name == "image" else self._depth
        widget.set_source(f"/live/{name}.jpg?n={encoded.number}")
        if name == "depth":
            self._scale.set_text(encoded.text)
        return encoded.number

    async def _update_space(self) -> None:
        points, colours = await run.io_bound(self._live.cloud)
        self._cloud.set_points(points, colours)
        corridor = self._live.corridor()
        self._top.set_content(drawing.top_view(self._live.beams(), corridor))
        self._way.set_text(f"{corridor['verdict']}: {corridor['text']}" if corridor else "")

    def _tell_state(self, silent_s: float, shown: dict) -> None:
        if shown["image"] < 0:
            text = "waiting for the first picture: is a camera running?"
        elif shown["depth"] < 0:
            text = "pictures arrive, no depth yet: is the depth node active?"
        elif silent_s > SILENT_S:
            text = f"nothing new for {silent_s:.0f} s: did the camera or the node stop?"
        else:
            text = f"live: picture {shown['image']}, depth {shown['depth']}"
        self._state.set_text(text)

    # -- asking -------------------------------------------------------------------------------

    async def _click(self, kind: str, x: float, y: float) -> None:
        """Read the point that the browser shows there, of that very picture."""
        encoded = self._shown.get(kind)
        if encoded is None or not encoded.jpeg:
            return
        at = _inside(drawing.shown_to_image(x, y, *encoded.size), encoded.size)
        u, v = at if kind == "image" else await run.io_bound(self._live.to_image, *at)
        if not (isfinite(u) and isfinite(v)):
            self._say(f"({at[0]:.0f}, {at[1]:.0f})", "the camera sees nothing there")
            return
        self._last = [*self._last[-1:], (u, v)]
        self._stamp_ns = encoded.stamp_ns
        what, text = await self._call(lambda: self._read(u, v, encoded.stamp_ns))
        in_depth = await run.io_bound(self._live.to_depth, u, v)
        self._mark({"image": (u, v), "depth": in_depth}, what)
        self._say(f"({u:.0f}, {v:.0f})", text)

    def _read(self, u: float, v: float, stamp_ns: int) -> tuple[str, str]:
        """Ask for the depth at a pixel of the picture of a stamp; a gone one: of the newest."""
        readings = self._live.client.query_points([(u, v)], stamp_ns=stamp_ns)
        gone = readings.code in (Code.NO_FRAME, Code.STALE)
        if gone:
            readings = self._live.client.query_points([(u, v)])
        if readings.code != Code.OK or not readings.points:
            return "?", f"{readings.code.name}: {readings.text}"
        point = readings.points[0]
        if point.code != Code.OK:
            return "?", f"{point.code.name}: {point.text}"
        metres = f"{point.distance_m:.2f} m"
        text = f"{metres} away, {point.depth_m:.2f} m ahead ({_interval(point)})"
        return metres, f"{text} {NEWER}" if gone else text

    async def _ask(self) -> None:
        question = (self._words.value or "").strip()
        if not question:
            return
        pixels = [] if "(" in question else self._last
        stamp_ns = self._stamp_ns if pixels else 0
        client = self._live.client
        _, text = await self._call(lambda: ("", answer_to(client, question, pixels, stamp_ns)))
        self._say(question, text)

    async def _call(self, call) -> tuple[str, str]:
        """Call a service on another thread; what fails is said."""
        try:
            return await run.io_bound(call)
        except ServiceTimeoutError as error:
            return "?", f"no reply: {error}"

    def _mark(self, places: dict, text: str) -> None:
        """Draw a reading at the camera image's pixel, and where the depth map has it."""
        for name, widget in (("image", self._image), ("depth", self._depth)):
            encoded = self._shown.get(name)
            if encoded is None or not all(map(isfinite, places[name])):
                widget.set_content("")
                continue
            x, y = drawing.image_to_shown(*places[name], *encoded.size)
            widget.set_content(
                f'<circle cx="{x:.1f}" cy="{y:.1f}" r="6" fill="none" stroke="white" '
                f'stroke-width="2"/><text x="{x + 9:.1f}" y="{y - 6:.1f}" font-size="20" '
                'fill="white" stroke="black" stroke-width="4" paint-order="stroke">'
                f"{escape(text)}</text>"
            )

    def _say(self, what: str, text: str) -> None:
        with self._log:
            line = ui.label(f"{what}: {text}").mark("answer")
            line.move(target_index=0)
        for old in list(self._log)[KEPT_LINES:]:
            self._log.remove(old)

    # -- photographs --------------------------------------------------------------------------

    async def _photo(self, event) -> None:
        name = event.file.name
        self._say(name, "is being measured ...")
        try:
            measured = await self._desk.measure(event.file)
        except ValueError as error:
            self._say(name, str(error))
            return
        self._photos[self._client.id] = measured
        self._say(name, measured.text)
        self._photo_box.clear()
        with self._photo_box:
            for kind in ("photo", "depth"):
                self._photo_widget(kind, measured)

    def _photo_widget(self, kind: str, measured: Measured) -> None:
        def clicked(event) -> None:
            u, v = drawing.shown_to_image(event.image_x, event.image_y, *measured.size)
            self._say(f"photo ({u:.0f}, {v:.0f})", measured.at(u, v))

        source = f"/photo/{self._client.id}/{kind}.jpg?n={id(measured)}"
        widget = ui.interactive_image(source, on_mouse=clicked, events=["click"], cross=True)
        widget.classes("w-full").props(f'data-what="photo-{kind}"')


def answer_to(client, question: str, clicks: list, stamp_ns: int) -> str:
    """Ask about the clicked pixels of the picture of a stamp; when that is gone, of the newest.

    A question that two clicks do not fit is about the last one, or about none of them.
    """
    first = None
    for pixels in dict.fromkeys((tuple(clicks), tuple(clicks[-1:]), ())):
        stamp = stamp_ns if pixels else 0
        reply = client.ask(question, list(pixels), stamp_ns=stamp)
        gone = stamp != 0 and reply.code in (Code.NO_FRAME, Code.STALE)
        if gone:
            reply = client.ask(question, list(pixels), stamp_ns=0)
        if reply.code == Code.OK:
            return f"{reply.answer}{' ' + NEWER if gone else ''}"
        first = first or reply
        if reply.code != Code.BAD_QUESTION:
            break
    return f"{first.code.name}: {first.text}"


def _interval(point) -> str:
    low, high = point.low_m, point.high_m
    return f"{low:.2f} to {high:.2f} m" if low == low and high == high else "interval unknown"


def _number_in(source: str) -> int:
    """Return the number of the picture in its address, 0 where there is none."""
    given = parse_qs(urlsplit(source).query).get("n", [""])[0]
    return int(given) if given.isdecimal() else 0


def _inside(pixel: tuple, size: tuple) -> tuple:
    """Return the pixel, or the nearest one of an image of (width, height) px."""
    return tuple(min(max(x, 0.0), side - 1.0) for x, side in zip(pixel, size, strict=True))
