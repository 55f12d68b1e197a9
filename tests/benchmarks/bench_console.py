"""What a person at the console feels: an e-stop's way to the page, a lost dead-man, the cameras.

The console of a real session with a real controller, in front of a real browser; the arm is the
loopback, and this process plays two cameras of 640 by 480 at 15 Hz. Each picture holds its number
as black and white blocks, which the page's own script reads back from what is on the screen.

The cameras are also shown as motion JPEG by a plain web server, as most home-made consoles do, in
turns with the console's: each in a page of its own, the same pictures, the same JPEG quality.
"""

import argparse
import array
import contextlib
import io
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import domain_coordinator
import numpy as np
import psutil

from tmrl_common.ports import free_port
from tmrl_common.testing.waiting import wait_until

_CAMERAS = ("overview", "wrist")
_RATE_HZ = 15.0
_ROWS, _COLUMNS = 480, 640
_BITS, _BLOCK = 16, 40
_TIMEOUT_S = 120.0
_QUALITY = 80
_SIZE = {"width": 1180, "height": 820}
_SETTLE_S = 5.0
_AT_REAL_TIME = (
    "driver.backend:=loopback",
    "driver.real_time_factor:=1.0",
    "controller.pacing:=state",
    "agent.lock_step:=false",
    "console.cameras:=[overview, wrist]",
)
_READ_BACK = """(bits) => {
  const canvas = document.createElement("canvas");
  const c = canvas.getContext("2d", { willReadFrequently: true });
  canvas.width = 640;
  canvas.height = 8;
  window.seen = new Map();
  const look = () => {
    const image = document.querySelector("img[alt='camera overview']");
    if (image?.complete && image.naturalWidth) {
      c.drawImage(image, 0, 0, 640, 8, 0, 0, 640, 8);
      const { data } = c.getImageData(0, 4, 640, 1);
      let number = 0;
      for (let bit = 0; bit < bits; bit++) {
        number = 2 * number + (data[4 * (40 * bit + 20)] > 127 ? 1 : 0);
      }
      if (!seen.has(number)) seen.set(number, performance.timeOrigin + performance.now());
    }
    requestAnimationFrame(look);
  };
  look();
}"""
_WATCH_BANNER = """() => {
  const banner = document.getElementById("banner");
  addEventListener("keydown", (event) => {
    if (event.code === "Escape") window.pressed = performance.now();
  }, true);
  new MutationObserver(() => {
    if (banner.className === "estop") window.shown ??= performance.now();
  }).observe(banner, { attributes: true });
}"""


class _Pictures:
    """Grey textures that move, each with its number in the upper rows."""

    def __init__(self) -> None:
        y, x = np.mgrid[:_ROWS, :_COLUMNS]
        shades = [(x * 3 + y * 5 + 10 * phase) % 160 + 40 for phase in range(16)]
        self._textures = [np.repeat(s[:, :, None], 3, axis=2).astype(np.uint8) for s in shades]

    def of(self, number: int) -> "np.ndarray[Any, np.dtype[np.uint8]]":
        pixels = self._textures[number % 16].copy()
        for bit in range(_BITS):
            is_set = number >> (_BITS - 1 - bit) & 1
            pixels[:16, bit * _BLOCK : (bit + 1) * _BLOCK] = 255 * is_set
        return pixels


class _Cell:
    """A node that plays the cameras, and hears the controller.

    Attributes:
        sent_s: When each picture was published, s since 1970, by its number.
        mode: The controller's newest one.
        since_s: When it was first heard, steady clock.
    """

    def __init__(self, domain: int) -> None:
        import rclpy
        from rclpy.executors import SingleThreadedExecutor
        from sensor_msgs.msg import Image

        from tmrl_msgs.msg import ControllerStatus
        from tmrl_ros import qos
        from tmrl_ros.network import enter_ros

        enter_ros([], domain_id=domain)
        self._rclpy, self._image, self._status = rclpy, Image, ControllerStatus
        self._node = rclpy.create_node("cameras", namespace="widowx")
        make = self._node.create_publisher
        self._topics = [make(Image, f"camera/{name}/image", qos.IMAGE) for name in _CAMERAS]
        listen = self._node.create_subscription
        listen(ControllerStatus, "controller/status", self._on_status, qos.STATUS)
        self.sent_s: dict[int, float] = {}
        self.mode, self.since_s = -1, 0.0
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self._node)
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=each) for each in (self._spin, self._film)]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()
        self._rclpy.try_shutdown()

    def is_in(self, mode: str) -> bool:
        return self.mode == getattr(self._status, mode)

    def _on_status(self, message: Any) -> None:
        if message.mode != self.mode:
            self.mode, self.since_s = message.mode, time.monotonic()

    def _spin(self) -> None:
        while not self._stop.is_set():
            self._executor.spin_once(timeout_sec=0.05)

    def _film(self) -> None:
        pictures, number, due_s = _Pictures(), 0, time.monotonic()
        while not self._stop.is_set():
            number = number % (2**_BITS - 1) + 1
            message = self._image(height=_ROWS, width=_COLUMNS, step=3 * _COLUMNS, encoding="rgb8")
            message.header.stamp = self._node.get_clock().now().to_msg()
            message.data = array.array("B", pictures.of(number).tobytes())
            self.sent_s[number] = time.time()
            for topic in self._topics:
                topic.publish(message)
            due_s += 1.0 / _RATE_HZ
            self._stop.wait(max(0.0, due_s - time.monotonic()))


def _motion_jpeg(port: int) -> None:
    """The plain web server, until it is killed: `python bench_console.py PORT`."""
    import rclpy
    from PIL import Image as Pillow
    from sensor_msgs.msg import Image

    from tmrl_ros import qos

    newest: dict[str, bytes] = {}
    fresh = threading.Condition()

    class Stream(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            name = self.path.strip("/")
            if not name:
                page = "".join(f"<img alt='camera {n}' src='/{n}'>" for n in _CAMERAS).encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/html")
                self.end_headers()
                self.wfile.write(page)
                return
            self.send_response(200)
            self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=next")
            self.end_headers()
            shown = b""
            while True:
                with fresh:
                    while newest.get(name, b"") is shown:
                        fresh.wait()
                    shown = newest[name]
                head = f"--next\r\nContent-Type: image/jpeg\r\nContent-Length: {len(shown)}"
                self.wfile.write(head.encode() + b"\r\n\r\n" + shown + b"\r\n")

        def log_message(self, format: str, *args: Any) -> None:
            """Says nothing."""

    def take(name: str, message: Any) -> None:
        pixels = np.frombuffer(message.data, np.uint8).reshape(message.height, message.width, 3)
        stream = io.BytesIO()
        Pillow.fromarray(pixels).save(stream, "JPEG", quality=_QUALITY)
        with fresh:
            newest[name] = stream.getvalue()
            fresh.notify_all()

    rclpy.init()
    node = rclpy.create_node("motion_jpeg", namespace="widowx")
    for name in _CAMERAS:
        node.create_subscription(Image, f"camera/{name}/image", partial(take, name), qos.IMAGE)
    server = ThreadingHTTPServer(("127.0.0.1", port), Stream)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    rclpy.spin(node)


@contextmanager
def _session(domain: int) -> Iterator[str]:
    """A session whose arm is the loopback, at real time; yields the console's address."""
    with tempfile.TemporaryDirectory() as folder:
        run_dir = Path(folder, "run")
        words = ["up", "widowx_sim", "parts:=robot", f"run_dir:={run_dir}", *_AT_REAL_TIME]
        command = [sys.executable, "-m", "tmrl_cli.cli", *words]
        environment = os.environ | {"ROS_DOMAIN_ID": str(domain)}
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, env=environment) as process:
            try:
                address = run_dir / "console.url"
                wait_until(
                    lambda: (
                        process.poll() is not None or (address.exists() and address.read_text())
                    ),
                    "the console",
                    _TIMEOUT_S,
                )
                if process.poll() is not None:
                    raise RuntimeError("the session ended; ./tmrl up widowx_sim says why")
                yield address.read_text().strip()
            finally:
                process.terminate()
                process.wait(_TIMEOUT_S)


def _estop_ms(page: Any, repeats: int) -> list[float]:
    """From the key to the moment at which the page says so, by the page's own clock."""
    page.evaluate(_WATCH_BANNER)
    took_ms: list[float] = []
    for _ in range(repeats):
        page.evaluate("window.shown = window.pressed = undefined")
        page.keyboard.press("Escape")
        page.wait_for_function("window.shown !== undefined")
        took_ms.append(page.evaluate("window.shown - window.pressed"))
        page.click("#clear")
        page.fill("#clearing-name", "bench")
        page.click("#clearing button[value=yes]")
        page.wait_for_selector("#banner:not(.estop)")
    return took_ms


def _deadman_ms(open_page: Callable[[], Any], cell: _Cell, repeats: int) -> list[float]:
    """From the loss of a page whose person drives to the controller's HOLD."""
    took_ms: list[float] = []
    for _ in range(repeats):
        page = open_page()
        page.keyboard.down("Space")
        wait_until(lambda: cell.is_in("TELEOP"), "the take-over", _TIMEOUT_S)
        lost_s = time.monotonic()
        page.context.close()
        wait_until(lambda: cell.is_in("HOLD"), "the hold", _TIMEOUT_S)
        took_ms.append(1e3 * max(0.0, cell.since_s - lost_s))
    return took_ms


def _latency_ms(page: Any, cell: _Cell, duration_s: float) -> list[float]:
    """From the publication of a picture to the screen."""
    page.wait_for_function("document.querySelector(\"img[alt='camera overview']\")?.naturalWidth")
    page.evaluate(_READ_BACK, _BITS)
    page.wait_for_timeout(1e3 * duration_s)
    seen = dict(page.evaluate("[...window.seen]"))
    # The first one had been on the screen before anybody looked.
    return [at_ms - 1e3 * cell.sent_s[n] for n, at_ms in list(seen.items())[1:] if n in cell.sent_s]


def _process(words: str) -> psutil.Process:
    for process in psutil.process_iter(["cmdline"]):
        if words in " ".join(process.info["cmdline"] or []):
            return process
    raise RuntimeError(f"there is no process {words}")


def _watched(page: Any, cell: _Cell, process: psutil.Process, seconds: float) -> dict[str, Any]:
    """Latency of the pictures, and what the process that sends them takes meanwhile."""
    page.wait_for_timeout(1e3 * _SETTLE_S)
    cpu, rss, start_s = process.cpu_times(), process.memory_info().rss, time.monotonic()
    late_ms = _latency_ms(page, cell, seconds)
    spent, elapsed_s = process.cpu_times(), time.monotonic() - start_s
    cpu_s = spent.user + spent.system - cpu.user - cpu.system
    return {
        "late_ms": late_ms,
        "cpu_percent": 100.0 * cpu_s / elapsed_s,
        "growth_mb_per_h": (process.memory_info().rss - rss) / 1e6 / elapsed_s * 3600.0,
    }


def run(argv: list[str]) -> dict[str, Any]:
    """Measures; `camera_p50_vs_mjpeg` above 1: the console's pictures are sooner on the screen."""
    parser = argparse.ArgumentParser(prog="./tmrl bench console", description=__doc__)
    parser.add_argument("--repeats", type=int, default=40, help="of stop and loss (default: 40)")
    parser.add_argument("--seconds", type=float, default=30.0, help="of cameras (default: 30)")
    parsed = parser.parse_args(argv)
    chromium = shutil.which("chromium")
    if chromium is None:
        raise RuntimeError("there is no chromium on this machine: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    with ExitStack() as stack:
        domain = stack.enter_context(domain_coordinator.domain_id())
        address = stack.enter_context(_session(domain))
        cell = _Cell(domain)
        stack.callback(cell.close)
        browser = stack.enter_context(sync_playwright()).chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-gpu"]
        )
        stack.callback(browser.close)

        def open_page(where: str = address) -> Any:
            page = browser.new_context(viewport=_SIZE, bypass_csp=True).new_page()
            page.goto(where)
            if where == address:
                page.wait_for_selector("#banner:not(.offline)")
            return page

        page = open_page()
        estop_ms = _estop_ms(page, parsed.repeats)
        ours = _watched(page, cell, _process("tmrl_console/console"), parsed.seconds)
        page.context.close()
        deadman_ms = _deadman_ms(open_page, cell, parsed.repeats)
        port = free_port()
        environment = os.environ | {"ROS_DOMAIN_ID": str(domain)}
        plain = subprocess.Popen([sys.executable, __file__, str(port)], env=environment)
        stack.callback(plain.kill)
        wait_until(lambda: _answers(port), "the plain server", _TIMEOUT_S)
        theirs = _watched(
            open_page(f"http://127.0.0.1:{port}/"), cell, psutil.Process(plain.pid), parsed.seconds
        )
    return _result(estop_ms, deadman_ms, ours, theirs)


def _answers(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1.0):
        return True
    return False


def _result(
    estop_ms: list[float], deadman_ms: list[float], ours: dict[str, Any], theirs: dict[str, Any]
) -> dict[str, Any]:
    mine, plain = ours["late_ms"], theirs["late_ms"]
    return {
        "ratios": {
            "camera_p50_vs_mjpeg": float(np.median(plain) / np.median(mine)),
            "camera_cpu_vs_mjpeg": theirs["cpu_percent"] / ours["cpu_percent"],
        },
        "figures": {
            "estop_key_to_status_p50_ms": float(np.median(estop_ms)),
            "estop_key_to_status_p99_ms": float(np.percentile(estop_ms, 99.0)),
            "deadman_loss_to_hold_p50_ms": float(np.median(deadman_ms)),
            "deadman_loss_to_hold_max_ms": max(deadman_ms),
            "cpu_two_cameras_percent": ours["cpu_percent"],
            "camera_p50_ms": float(np.median(mine)),
            "camera_p95_ms": float(np.percentile(mine, 95.0)),
            "camera_pictures": len(mine),
            "growth_mb_per_h": ours["growth_mb_per_h"],
            "mjpeg_camera_p50_ms": float(np.median(plain)),
            "mjpeg_camera_p95_ms": float(np.percentile(plain, 95.0)),
            "mjpeg_camera_pictures": len(plain),
            "mjpeg_cpu_two_cameras_percent": theirs["cpu_percent"],
        },
    }


if __name__ == "__main__":
    _motion_jpeg(int(sys.argv[1]))
