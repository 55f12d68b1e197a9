"""The web server's routes: the page, the state, one WebSocket for commands and one per camera."""

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from fastapi import FastAPI, Request, Response, WebSocket, WebSocketDisconnect
from fastapi.responses import FileResponse, JSONResponse, RedirectResponse
from fastapi.staticfiles import StaticFiles

from tmrl_console.access import COOKIE, HEADERS, LOGIN_LASTS_S, Access
from tmrl_console.board import Board
from tmrl_console.cameras import Cameras, Slot
from tmrl_console.desk import Desk
from tmrl_console.protocol import Command, ProtocolError, read
from tmrl_console.videos import VideoError, Videos

STATIC = Path(__file__).with_name("static")
STATE_PERIOD_S = 0.05
"""A page is sent changes at most 20 times per second."""
_LOOK_S = 0.01
"""Between two looks for a new picture, and at a page that may have gone."""
_FOREIGN, _LOGIN, _NO_CAMERA, _BAD_MESSAGE = 4403, 4401, 4404, 4400
_MAX_FORM = 4096


@dataclass(frozen=True)
class Served:
    """What the routes serve.

    Attributes:
        board: The state.
        desk: Commands and driving.
        cameras: Pictures.
        access: Who may enter.
        videos: Of past episodes.
        camera_period_s: Shortest time between two pictures of one camera to one page.
    """

    board: Board
    desk: Desk
    cameras: Cameras
    access: Access
    videos: Videos
    camera_period_s: float


def make_app(served: Served) -> FastAPI:
    """Returns the web application."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    _guard(app, served.access)
    _add_login(app, served.access)
    _add_pages(app, served)
    _add_sockets(app, served)
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    return app


def _guard(app: FastAPI, access: Access) -> None:
    """Looks at every request before its route does."""

    async def guard(
        request: Request, call_next: Callable[[Request], Awaitable[Response]]
    ) -> Response:
        response = await _judged(request, call_next)
        for name, value in HEADERS:
            response.headers[name] = value
        return response

    async def _judged(
        request: Request, call_next: Callable[[Request], Awaitable[Response]]
    ) -> Response:
        host = request.headers.get("host", "")
        if not access.names(host):
            return Response(f"this console does not go by the name {host!r}", 403)
        foreign = not access.same_origin(request.headers.get("origin"), host)
        if request.method not in ("GET", "HEAD") and foreign:
            return Response("refused: the request comes from another page", 403)
        open_to_all = request.url.path == "/login" or request.url.path.startswith("/static/")
        if not open_to_all and not access.may_enter(request.cookies.get(COOKIE)):
            if request.url.path == "/":
                return RedirectResponse("/login", 303)
            return Response("log in first", 401)
        return await call_next(request)

    app.middleware("http")(guard)


def _add_login(app: FastAPI, access: Access) -> None:
    async def form() -> Response:
        return FileResponse(STATIC / "login.html")

    async def log_in(request: Request) -> Response:
        if wait_s := access.wait_s():
            text = f"too many wrong passwords; try again in {wait_s:.0f} s"
            return Response(text, 429, {"Retry-After": f"{wait_s:.0f}"})
        body = await request.body()
        password = parse_qs(body[:_MAX_FORM].decode(errors="replace")).get("password", [""])[0]
        cookie = await asyncio.to_thread(access.log_in, password)
        if not cookie:
            return RedirectResponse("/login?wrong", 303)
        answer = RedirectResponse("/", 303)
        answer.set_cookie(COOKIE, cookie, LOGIN_LASTS_S, httponly=True, samesite="strict")
        return answer

    app.get("/login")(form)
    app.post("/login")(log_in)


def _add_pages(app: FastAPI, served: Served) -> None:
    async def page() -> Response:
        return FileResponse(STATIC / "index.html")

    async def state() -> Response:
        return JSONResponse(dict(served.board.since(0).sections))

    async def video(number: int) -> Response:
        try:
            return FileResponse(await served.videos.of(number), media_type="video/mp4")
        except VideoError as error:
            return Response(str(error), 404)

    app.get("/")(page)
    app.get("/episodes/{number}/video")(video)
    app.get("/api/state")(state)


def _add_sockets(app: FastAPI, served: Served) -> None:
    async def admitted(socket: WebSocket) -> bool:
        """Whether a socket may be opened; one that may not is refused as an HTTP request is."""
        headers, access = socket.headers, served.access
        if not access.same_origin(headers.get("origin"), headers.get("host", "")):
            await socket.close(_FOREIGN)
            return False
        if not access.may_enter(socket.cookies.get(COOKIE)):
            await socket.close(_LOGIN)
            return False
        await socket.accept()
        return True

    async def session(socket: WebSocket) -> None:
        if await admitted(socket):
            await _serve_page(socket, served)

    async def camera(socket: WebSocket, name: str) -> None:
        if not await admitted(socket):
            return
        slot = served.cameras.slot(name)
        if slot is None:
            await socket.close(_NO_CAMERA, f"there is no camera {name}")
            return
        slot.watch()
        try:
            with contextlib.suppress(WebSocketDisconnect):
                await _show(socket, slot, served.camera_period_s)
        finally:
            slot.leave()

    app.websocket("/ws")(session)
    app.websocket("/camera/{name}")(camera)


async def _serve_page(socket: WebSocket, served: Served) -> None:
    """Sends one page every change, and does what it asks for, until it is gone."""
    page = served.desk.open_page()
    news = asyncio.create_task(_send_news(socket, served.board))
    running: set[asyncio.Task[None]] = set()
    try:
        while True:
            text = await socket.receive_text()
            try:
                message = read(text)
            except ProtocolError as error:
                await socket.close(_BAD_MESSAGE, str(error)[:120])
                return
            if isinstance(message, Command):
                # Beside each other: an e-stop waits for nobody's answer.
                task = asyncio.create_task(_answer(socket, served.desk, page, message))
                running.add(task)
                task.add_done_callback(running.discard)
            elif answer := await served.desk.serve(page, message):
                await _send(socket, answer)
    except WebSocketDisconnect:
        return
    finally:
        served.desk.close_page(page)
        news.cancel()


async def _answer(socket: WebSocket, desk: Desk, page: int, command: Command) -> None:
    if answer := await desk.serve(page, command):
        await _send(socket, answer)


async def _send_news(socket: WebSocket, board: Board) -> None:
    version = 0
    while True:
        news = board.since(version)
        if news.sections:
            await _send(socket, {"state": dict(news.sections)})
        version = news.version
        await asyncio.sleep(STATE_PERIOD_S)


async def _send(socket: WebSocket, content: dict[str, Any]) -> None:
    try:
        await socket.send_text(json.dumps(content, allow_nan=False, separators=(",", ":")))
    except (WebSocketDisconnect, RuntimeError):
        # It is gone; whoever receives from it learns that as well, and ends.
        return


async def _show(socket: WebSocket, slot: Slot, period_s: float) -> None:
    """Sends pictures one by one, each when the page has shown the one before."""
    loop = asyncio.get_running_loop()
    shown, word = 0, asyncio.ensure_future(socket.receive_text())
    try:
        while True:
            began_s = loop.time()
            while slot.number == shown:
                if word.done():
                    # It said something although it owes nothing: most likely that it is gone.
                    word.result()
                    word = asyncio.ensure_future(socket.receive_text())
                await asyncio.sleep(_LOOK_S)
            picture = await asyncio.to_thread(slot.newest)
            shown = picture.number
            if picture.problem:
                await socket.send_text(picture.problem)
            else:
                await socket.send_bytes(picture.jpeg)
            await word
            word = asyncio.ensure_future(socket.receive_text())
            await asyncio.sleep(max(0.0, period_s - (loop.time() - began_s)))
    finally:
        word.cancel()
