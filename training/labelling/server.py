# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The page and what it asks for, to this machine's own browser and to nobody else.

    GET  /                        the page; its script and style below /page/
    GET  /api/layout              stretches and groups; they change when ``view`` does
    GET  /api/state               labels, classes, the queue, and how a fit stands
    GET  /api/frames/R/F/L        the classes of frames F to L of recording R, by number
    POST /api/label               {sitting, ranges: [{recording, first, last}], label: name or null}
    POST /api/leave               {sitting, ranges}: for later
    POST /api/undo                {sitting}
    POST /api/fit                 {sitting, replace}: start ``train fit``
    POST /api/stop                {sitting}
    GET  /picture/SITTING/R/F/M   frame F of recording R in modality M
    GET  /report                  what the last fit said of itself

A request has to name this machine as its host, so that no page of elsewhere reaches us through a
name of its own (DNS rebinding); and a POST has to be JSON, which no page of another origin can send
unasked. ``sitting`` is of one run of the server: a page that outlived it speaks of other frames.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

import cv2
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mm_perception.errors import MMPerceptionError
from training.labelling.desk import Desk, Range
from training.labelling.fitting import Fitting

HOSTS = ('127.0.0.1', 'localhost')
PAGE = Path(str(resources.files('training.labelling').joinpath('page')))

_MOST = 1 << 22  # bytes of a request; thousands of ranges have less
_OURS = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'"
)
_REPORT = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
_QUALITY = 90  # of JPEG


class _Frames(BaseModel):
    model_config = ConfigDict(extra='forbid', strict=True)

    recording: int
    first: int
    last: int


class _Request(BaseModel):
    """What every POST holds."""

    model_config = ConfigDict(extra='forbid', strict=True)

    sitting: str


class _FramesRequest(_Request):
    ranges: list[_Frames] = Field(min_length=1)

    def frames(self) -> list[Range]:
        return [Range(each.recording, each.first, each.last) for each in self.ranges]


class _LabelRequest(_FramesRequest):
    label: str | None


class _FitRequest(_Request):
    replace: bool = False


class RefusedError(MMPerceptionError):
    """A request that cannot be carried out as things are; the page shows why."""

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message)
        self.code = code


class Server:
    """What the page can ask of a desk."""

    def __init__(self, desk: Desk, fitting: Fitting, output: Path, notes: dict[str, Any]) -> None:
        """Prepare.

        Args:
            desk: Frames and labels.
            fitting: Runs ``train fit``.
            output: Its folder.
            notes: What the page is told of the session, as JSON, and shows.

        """
        self.desk, self.fitting, self.output = desk, fitting, output
        self.sitting = secrets.token_hex(4)
        self._notes = {**notes, 'sitting': self.sitting, 'output': str(output)}

    def application(self) -> Starlette:
        """Give the web application."""
        routes = [
            Route('/', lambda _: FileResponse(PAGE / 'index.html')),
            Route('/api/layout', lambda _: JSONResponse(self._layout())),
            Route('/api/state', lambda _: JSONResponse(self._state())),
            Route('/api/frames/{recording:int}/{first:int}/{last:int}', self._frames),
            _post('/api/label', _LabelRequest, self._label),
            _post('/api/leave', _FramesRequest, self._leave),
            _post('/api/undo', _Request, self._undo),
            _post('/api/fit', _FitRequest, self._fit),
            _post('/api/stop', _Request, self._stop),
            Route('/picture/{sitting}/{recording:int}/{frame:int}/{modality}', self._picture),
            Route('/report', self._report),
            Mount('/page', StaticFiles(directory=PAGE)),
        ]
        return Starlette(
            routes=routes,
            middleware=[
                Middleware(_SafeHeaders),
                Middleware(TrustedHostMiddleware, allowed_hosts=list(HOSTS), www_redirect=False),
            ],
        )

    def _layout(self) -> dict[str, Any]:
        return {**self._notes, **self.desk.layout()}

    def _state(self) -> dict[str, Any]:
        report = (self.output / 'report.html').is_file()
        fit = {**self.fitting.status, 'report': report}
        return {'sitting': self.sitting, **self.desk.state(), 'fit': fit}

    def _frames(self, request: Request) -> Response:
        try:
            labels = self.desk.classes_of(Range(**request.path_params))
        except MMPerceptionError as error:
            return _refused(404, str(error))
        return JSONResponse({'labels': labels})

    def _label(self, asked: _LabelRequest) -> None:
        self._check(asked)
        self.desk.label(asked.frames(), None if asked.label is None else asked.label.strip())

    def _leave(self, asked: _FramesRequest) -> None:
        self._check(asked)
        self.desk.leave(asked.frames())

    def _undo(self, asked: _Request) -> None:
        self._check(asked)
        self.desk.undo()

    def _fit(self, asked: _FitRequest) -> None:
        self._check(asked)
        if advice := self.desk.state()['advice']:
            raise RefusedError(advice, 'labels')
        bundle = self.output / 'bundle'
        if bundle.exists() and not (asked.replace or self.fitting.made_one):
            raise RefusedError(f'{bundle}: a model is there already', 'replace')
        if not self.fitting.start():
            raise RefusedError('a fit is running already', 'running')

    def _stop(self, asked: _Request) -> None:
        self._check(asked)
        self.fitting.stop()

    def _check(self, asked: _Request) -> None:
        if asked.sitting != self.sitting:
            raise RefusedError('the server was started anew; load the page again', 'sitting')

    def _picture(self, request: Request) -> Response:
        at = request.path_params
        takes = self.desk.takes
        if at['sitting'] != self.sitting or at['recording'] >= len(takes):
            return PlainTextResponse('no such recording', 404)
        pictures = takes[at['recording']].rows.thumbnails.get(at['modality'])
        if pictures is None or at['frame'] >= len(pictures):
            return PlainTextResponse('no such frame', 404)
        bgr = pictures[at['frame']].numpy()[..., ::-1]
        _, file = cv2.imencode('.jpg', bgr, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
        kept = {'Cache-Control': 'private, max-age=86400, immutable'}
        return Response(file.tobytes(), media_type='image/jpeg', headers=kept)

    def _report(self, _: Request) -> Response:
        file = self.output / 'report.html'
        if not file.is_file():
            return PlainTextResponse('there is no report yet', 404)
        return FileResponse(file, headers={'Content-Security-Policy': _REPORT})


class _SafeHeaders:
    """Forbids the page whatever is not ours, and other pages to hold it in a frame."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message['type'] == 'http.response.start':
                headers = MutableHeaders(scope=message)
                headers.setdefault('Content-Security-Policy', _OURS)
                headers.setdefault('Cache-Control', 'no-store')
                headers['X-Content-Type-Options'] = 'nosniff'
                headers['X-Frame-Options'] = 'DENY'
                headers['Referrer-Policy'] = 'no-referrer'
            await send(message)

        await self.app(scope, receive, send_with_headers)


def _post(path: str, kind: type[_Request], action: Callable[[Any], None]) -> Route:
    """Route a POST to an action; what is wrong with it is told in one line."""

    async def answer(request: Request) -> Response:
        if request.headers.get('content-type', '').partition(';')[0] != 'application/json':
            return _refused(415, 'send JSON')
        if int(request.headers.get('content-length', 0)) > _MOST:
            return _refused(413, 'too much at once')
        try:
            asked = kind.model_validate_json(await request.body())
            await run_in_threadpool(action, asked)
        except ValidationError as error:
            return _refused(400, f'{path}: {error.errors()[0]["msg"]}')
        except RefusedError as error:
            return _refused(409, str(error), error.code)
        except MMPerceptionError as error:
            return _refused(409, str(error))
        return JSONResponse({'done': True})

    return Route(path, answer, methods=['POST'])


def _refused(status: int, error: str, code: str | None = None) -> Response:
    return JSONResponse({'error': error, 'code': code}, status)
