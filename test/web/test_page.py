"""The page in a real browser (Chromium, headless), over the real web_node, on a robot made here.

The robot publishes a picture and a depth map that say their own column and row, and serves the
depth node's services from the same numbers: what the page shows can be worked out by hand.
"""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from page_robot import Robot, depth_at

from depthlm_msgs.msg import Clearance

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def web():
    """Return (process, address) of a running web_node."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    words = ["--ros-args", "-p", f"port:={port}"]
    environment = dict(os.environ)
    environment.pop("PYTEST_CURRENT_TEST", None)  # NiceGUI would take the process for a test
    process = subprocess.Popen(
        [sys.executable, "-m", "depthlm_ros.web.main", *words],
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
    )
    for line in process.stderr:
        if "open http" in line:
            break
    threading.Thread(target=process.stderr.read, daemon=True).start()
    address = f"http://127.0.0.1:{port}/"
    wait_for(lambda: answers(port), "the web server")
    yield process, address
    process.send_signal(signal.SIGINT)
    assert process.wait(15) == 0


def answers(port):
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def wait_for(condition, what, seconds=40.0):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.1)
    raise AssertionError(f"{what} did not come within {seconds} s")


@pytest.fixture(scope="module")
def browser(chromium):
    """Return a browser that can reach this machine only, and notes what it asks for."""
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = chromium.browser
    for word in (
        "--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=1400,1000",
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", "--use-angle=swiftshader",
        "--enable-unsafe-swiftshader", "--disable-background-networking", "--disable-sync",
    ):  # fmt: skip
        options.add_argument(word)
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    driver = webdriver.Chrome(options, Service(chromium.driver))
    yield driver
    driver.quit()


@pytest.fixture
def robot():
    found = Robot()
    yield found
    found.close()


@pytest.fixture
def page(browser, web, robot):
    """Return the browser with the page opened, pictures shown."""
    browser.get(web[1])
    wait_until_live(browser, robot)
    return browser


def wait_until_live(browser, robot):
    """Wait until the page shows pictures of this robot, and not the last one of another."""
    wait_for(robot.is_heard, "the page's subscriptions")
    before = re.search("picture ([0-9]+)", text_of(browser))
    number = int(before[1]) if before else 0
    wait_for(
        lambda: (
            int((re.search("picture ([0-9]+)", text_of(browser)) or "00")[1]) > number + 1
            and shown(browser, "depth")
        ),
        "the robot's pictures",
    )


def text_of(browser):
    return browser.execute_script("return document.body.innerText")


def shown(browser, name):
    """Return the natural width of a picture, 0 while it is not loaded."""
    return browser.execute_script(
        f"const i = document.querySelector('[data-what={name}] img');"
        "return i && i.complete ? i.naturalWidth : 0"
    )


def source_of(browser):
    """Return the address of the camera picture that is shown."""
    return browser.execute_script("return document.querySelector('[data-what=image] img').src")


def click(browser, name, u, v):
    """Click where the picture shows a pixel: a browser counts from the picture's corner."""
    from selenium.webdriver import ActionChains

    image = browser.find_element("css selector", f"[data-what={name}] img")
    wide, high = image.size["width"], image.size["height"]
    x, y = (u + 0.5) * wide / 640 - wide / 2, (v + 0.5) * high / 480 - high / 2
    ActionChains(browser).move_to_element_with_offset(image, round(x), round(y)).click().perform()
    return (round(x) + wide / 2) * 640 / wide - 0.5, (round(y) + high / 2) * 480 / high - 0.5


READING = re.compile(r"^\((\d+), (\d+)\): ([\d.]+) m away, .*\(([\d.]+) to ([\d.]+) m\)", re.M)


def reading_near(browser, u, v):
    """Return (u, v, metres, low, high) of a reading within 2 px of a pixel, else None."""
    found = [tuple(float(word) for word in words) for words in READING.findall(text_of(browser))]
    return next((r for r in found if abs(r[0] - u) <= 2 and abs(r[1] - v) <= 2), None)


def line_with(browser, words):
    """Return the first line of the page that holds words, None while there is none."""
    return next((line for line in text_of(browser).splitlines() if words in line), None)


@pytest.mark.parametrize(("name", "u", "v"), [("image", 100, 200), ("depth", 500, 300)])
def test_a_click_shows_the_metres_of_that_pixel(page, name, u, v):
    at = click(page, name, u, v)
    u, v, metres, low, high = wait_for(lambda: reading_near(page, *at), "the reading")
    z = depth_at(u, v)  # the page rounds the pixel: half a pixel is 5 mm
    assert metres == pytest.approx(z + 0.5, abs=0.012)
    assert (low, high) == (pytest.approx(z - 0.1, abs=0.012), pytest.approx(z + 0.9, abs=0.012))


def test_a_click_asks_about_the_picture_that_is_shown(page, robot):
    """The camera stops, the depth goes on: the click is about the last camera picture."""
    robot.shows_images = False
    wait_for(lambda: source_of(page) == (time.sleep(2), source_of(page))[1], "the last picture")
    at = click(page, "image", 150, 400)
    wait_for(lambda: reading_near(page, *at), "the reading")
    assert robot.queried[-1].stamp == robot.image_stamp
    robot.known_stamps = []  # the node keeps it no more: the newest, and it is said
    at = click(page, "image", 250, 420)
    wait_for(lambda: reading_near(page, *at), "the reading of the newest")
    assert [request.stamp.sec > 0 for request in robot.queried[-2:]] == [True, False]
    assert line_with(page, "[of the newest picture: the clicked one is gone]")


def test_a_click_on_the_depth_map_asks_for_the_camera_pictures_pixel(browser, web):
    """The depth map has no distortion left; the services take pixels of the camera's picture."""
    d = [-0.25, 0.05, 0.0, 0.0, 0.0]
    robot = Robot(distortion=d)
    try:
        browser.get(web[1])
        wait_until_live(browser, robot)
        at = click(browser, "depth", 560, 420)
        request = wait_for(lambda: robot.queried and robot.queried[-1], "the query")
        ray = np.array([[(at[0] - 319.5) / 500, (at[1] - 239.5) / 500, 1.0]])
        k = np.array([[500, 0, 319.5], [0, 500, 239.5], [0, 0, 1.0]])
        told, _ = cv2.projectPoints(ray, np.zeros(3), np.zeros(3), k, np.array(d))
        asked = request.pixels[0].u, request.pixels[0].v
        assert asked == pytest.approx(tuple(told.ravel()), abs=1.5)
        assert abs(asked[0] - at[0]) > 8  # and not the depth map's own pixel
    finally:
        robot.close()


def test_a_question_is_answered_about_the_clicked_points(page, robot):
    at = click(page, "image", 320, 240)
    wait_for(lambda: reading_near(page, *at), "the reading")
    box = page.find_element("css selector", "input[aria-label^='Ask']")
    box.send_keys("How far is this point?\n")
    line = wait_for(lambda: line_with(page, "How far is this point?:"), "the answer")
    assert line.endswith("It is 2.50 m away <b>.")  # as text, not as HTML
    question, pixels = robot.asked[-1]
    assert question == "How far is this point?" and pixels[0] == pytest.approx(at, abs=2)


def test_cloud_and_view_from_above_are_drawn(page):
    wait_for(lambda: page.find_elements("css selector", "canvas"), "the scene")
    top = wait_for(
        lambda: page.execute_script(
            "const t = document.querySelector('[data-what=top-view]');"
            "return [...t.querySelectorAll('circle[fill=\"#ffb454\"]')]"
            ".map(c => [+c.getAttribute('cx'), +c.getAttribute('cy')])"
        ),
        "the scan",
    )
    # 2 m at -0.5 rad lies to the right (y < 0), 3 m straight ahead; up is forward.
    assert top == [[pytest.approx(0.96, abs=0.01), pytest.approx(-1.76, abs=0.01)], [0.0, -3.0]]


CORRIDOR = (
    "const r = document.querySelector('[data-what=corridor]'); if (!r) return null;"
    "return [r.dataset.verdict, ...['x', 'y', 'width', 'height'].map(n => +r.getAttribute(n)),"
    "r.getAttribute('fill')]"
)


def test_the_corridor_is_drawn_as_the_node_says_and_not_when_it_is_old(page, robot):
    shown_as = wait_for(lambda: page.execute_script(CORRIDOR), "the corridor")
    # 0.6 m wide, from 0.5 to 3 m ahead, forward is up: green where it is clear.
    assert shown_as == ["CLEAR", -0.3, -3.0, 0.6, 2.5, "#4caf50"]
    assert line_with(page, "CLEAR: as told")
    near = page.find_elements("css selector", "[data-what=top-view] circle[r='0.12']")
    assert [(c.get_attribute("cx"), c.get_attribute("cy")) for c in near] == [("0.25", "-2.50")]
    robot.verdict = Clearance.BLOCKED
    wait_for(lambda: page.execute_script(CORRIDOR)[0] == "BLOCKED", "red")
    assert page.execute_script(CORRIDOR)[-1] == "#e5484d"
    robot.way_behind_s = 5
    wait_for(lambda: page.execute_script(CORRIDOR) is None, "an old one to be left out")


def test_a_photograph_is_measured(page, tmp_path):
    """Dropped on the page: read by the command line in a process, then clicked for metres."""
    noise = np.random.default_rng(1).integers(0, 255, (30, 40, 3), dtype=np.uint8)
    file = tmp_path / "holiday.jpg"
    cv2.imwrite(str(file), cv2.resize(noise, (640, 480), interpolation=cv2.INTER_CUBIC))
    page.find_element("css selector", "input[type=file]").send_keys(str(file))
    line = wait_for(lambda: line_with(page, "holiday.jpg: 640 x 480 px"), "the measure", 100)
    assert "median" in line and "ASSUMED a phone" in line
    wait_for(lambda: shown(page, "photo-depth"), "its depth")
    page.execute_script(
        "document.querySelector('[data-what=photo-depth]').scrollIntoView({block: 'center'})"
    )
    click(page, "photo-depth", 320, 240)
    words = wait_for(lambda: line_with(page, "photo (3"), "the metres")
    assert re.match(r"^photo \(3[12]\d, 2[34]\d\): [\d.]+ m$", words)


def test_nothing_is_loaded_from_elsewhere_and_nothing_fails(page, web):
    asked = [
        json.loads(entry["message"])["message"]["params"]["request"]["url"]
        for entry in page.get_log("performance")
        if '"Network.requestWillBeSent"' in entry["message"]
    ]
    assert asked
    outside = [url for url in asked if not url.startswith((web[1], "data:", "blob:"))]
    assert outside == []
    severe = [e["message"] for e in page.get_log("browser") if e["level"] == "SEVERE"]
    assert [m for m in severe if "favicon" not in m] == []


def test_the_page_goes_on_after_the_node_has_restarted(browser, web):
    first = Robot()
    browser.get(web[1])
    wait_for(lambda: "live: picture" in text_of(browser), "the picture")
    first.close()
    wait_for(lambda: "nothing new for" in text_of(browser), "the word of silence")
    second = Robot()
    try:
        wait_for(lambda: "live: picture" in text_of(browser), "the picture after the restart")
        at = click(browser, "image", 200, 100)
        wait_for(lambda: reading_near(browser, *at), "a reading")
    finally:
        second.close()


def test_a_slow_browser_costs_no_memory(page, web):
    """A browser that takes nothing for 6 s at 10 pictures a second is sent nothing more."""
    pid = web[0].pid

    def resident_mb():
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6

    time.sleep(2)
    before = resident_mb()
    page.execute_script("const end = Date.now() + 6000; while (Date.now() < end) {}")
    assert resident_mb() - before < 25
    wait_for(lambda: "live: picture" in text_of(page), "the picture")
