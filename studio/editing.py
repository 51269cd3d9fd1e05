"""An edit as it happens: reserve, think, land and charge in one step, tell of it.

The work is a task of its own: when the client goes away in the middle, the edit still lands, as in the cloud.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from types import ModuleType

from studio.create import VideoRequest, lay_out, make_clip, read_request
from studio.dialects import Alive, Event, Failure, Say, Thought, ToolCall, ToolResult
from studio.errors import StudioError
from studio.faults import Fault, chance
from studio.model import Media, Session, Upload
from studio.rendering import draw_simulated_s, find_shown_name
from studio.service import Studio
from studio.store import Change, Scene, Work
from studio.timeline import media_ids

_CUT_SHORT = ("cut", "stall", "error_in_stream")
_NOISE = "I encountered a temporary issue"
_QUESTION = "Which mood would you like for this video: calm, happy or epic?"
_CLAIM = "Done! I've updated your video with what you asked for."
_GUI_TALK = (
    " Click Export to download your video.",
    " You can preview in timeline.",
    "",
    " Open the timeline panel to fine-tune it, or drag and drop another clip.",
    "",
)
_GUI_TALK_CHINESE = ("点击导出按钮下载您的视频。", "您可以打开时间线面板预览。", "", "", "")


@dataclass(frozen=True, slots=True)
class Order:
    """One message to the agent, and the fault that strikes it."""

    session: Session
    text: str
    fault: Fault | None

    @property
    def instruction(self) -> str:
        """The message, after the one that the agent answered with a question, if there is one."""
        return f"{self.session.asked}. {self.text}" if self.session.asked else self.text

    def has(self, *kinds: str) -> bool:
        """Say whether the fault is of one of these kinds."""
        return self.fault is not None and self.fault.kind in kinds

    @property
    def lands(self) -> bool:
        """Whether the edit takes effect."""
        return not self.has(*_CUT_SHORT) or bool(self.fault and self.fault.landed)


class Edit:
    """An edit in progress and the events it has told so far."""

    def __init__(self, studio: Studio, order: Order, work: Work) -> None:
        """Prepare the edit whose credits `work` has reserved."""
        self._studio = studio
        self._order = order
        self._work = work
        self._told: asyncio.Queue[Event | None] = asyncio.Queue()
        self._request: VideoRequest | None = None
        self._clip: Upload | None = None

    def start(self) -> None:
        """Begin to work."""
        task = asyncio.create_task(self._run())
        self._studio.working.add(task)
        task.add_done_callback(self._studio.working.discard)

    async def events(self) -> AsyncIterator[Event]:
        """Yield what the edit tells, with a heartbeat whenever it is silent for long."""
        while True:
            try:
                event = await asyncio.wait_for(self._told.get(), self._studio.settings.heartbeat_s)
            except TimeoutError:
                yield Alive()
                continue
            if event is None:
                return
            yield event

    async def _run(self) -> None:
        edits = self._studio.store.edits
        try:
            call = ToolCall("c1", "edit_multitrack", {"instruction": self._order.text})
            self._tell(Thought("Let me look at the timeline."))
            self._tell(call)
            await self._think()
            await self._create()
            if self._order.fault is not None:
                await asyncio.sleep(self._order.fault.lands_after_s)
            change = await self._land() if self._order.lands else Change()
            if self._order.has("error_in_stream"):
                self._tell(Failure("boom in agent"))
            if not self._order.has(*_CUT_SHORT):
                self._report(call, change)
        except StudioError as error:
            self._tell(Failure(str(error)))
        finally:
            self._told.put_nowait(None)
            if self._clip is not None:  # it did not land
                self._clip.path.unlink(missing_ok=True)
            await asyncio.shield(self._studio.remember(edits.drop, self._work))

    async def _think(self) -> None:
        settings = self._studio.settings
        if settings.simulate:
            name = find_shown_name(self._order.session.draft, self._work.id)
            await asyncio.sleep(draw_simulated_s("edit", name, settings))
            return
        await asyncio.sleep(settings.think_s)
        agent = await asyncio.to_thread(_load_agent)
        if agent.wants_music(self._order.instruction):
            await self._studio.songs.ready()
            media = await self._studio.remember(self._studio.store.sessions.media_of, self._order.session.id)
            shown = media_ids(self._order.session.draft or {"t": []})
            await self._studio.looks.wait([item for item in media if item.id in shown])

    async def _create(self) -> None:
        """Draw a clip where a video is asked for in words and nothing was uploaded."""
        session = self._order.session
        if session.draft is not None or not self._order.lands or self._order.has("question", "noop"):
            return
        self._request = read_request(self._order.instruction)
        if self._request is None:
            return
        mood = _load_agent().mood_of(self._request.title)
        self._clip = await asyncio.to_thread(make_clip, self._request, mood, self._studio.media_dir)

    async def _land(self) -> Change:
        landing = self._studio.remember(self._studio.store.edits.land, self._work, self._decide, self._clip)
        change = await asyncio.shield(landing)
        self._clip = None  # the session has it now
        return change

    def _decide(self, scene: Scene) -> Change:
        """Make the change, in the store's thread and inside its transaction."""
        if self._order.has("question"):
            return Change(asked=self._order.instruction, said=_QUESTION)
        if self._order.has("noop"):
            return Change(charged=True, said=_CLAIM)
        if self._request is not None and self._clip is not None:
            return self._decide_created(self._request, scene.media[-1])
        reply = _load_agent().edit(
            self._order.instruction, scene.session.draft, scene.media, self._studio.songs.known
        )
        return Change(draft=reply.draft, charged=reply.draft is not None, said=reply.said)

    def _decide_created(self, request: VideoRequest, clip: Media) -> Change:
        """Lay the clip on the timeline, and do what else the instruction asks for."""
        draft = lay_out(request, clip)
        reply = _load_agent().edit(self._order.instruction, draft, (clip,), self._studio.songs.known)
        made = f'Made a clip of {clip.info.duration_s:g} s that shows "{request.title}".'
        return Change(
            draft=reply.draft or draft, charged=True, said=f"{made} {reply.said}" if reply.draft else made
        )

    def _report(self, call: ToolCall, change: Change) -> None:
        self._tell(ToolResult(call, change.draft, ok=change.charged))
        if change.charged and (
            self._order.has("silent")
            if self._order.fault is not None
            else self._draw("silent") < self._studio.settings.silent_share
        ):
            return
        self._tell(Say(change.said + self._gui_talk() if change.charged else change.said))
        if self._order.has("trailing_noise"):
            self._tell(Say(_NOISE))

    def _gui_talk(self) -> str:
        """The backend believes that a person sits at its GUI (api-contract 5)."""
        from studio.agent.grammar import is_chinese  # noqa: PLC0415 - loaded by now

        talk = _GUI_TALK_CHINESE if is_chinese(self._order.text) else _GUI_TALK
        return talk[int(self._draw("talk") * len(talk))]

    def _draw(self, what: str) -> float:
        source = self._order.session.draft or {}
        return chance(self._studio.settings.seed, what, source.get("m", {}).get("title"), self._order.text)

    def _tell(self, event: Event) -> None:
        self._told.put_nowait(event)


def _load_agent() -> ModuleType:
    """Load the agent on first use: its tables of words take a tenth of a second, which the start need not."""
    from studio import agent  # noqa: PLC0415 - see above

    return agent
